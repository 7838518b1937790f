// Answers the two questions forge asks of a solc binary, with the compiler from npm.
import { readFileSync, writeSync } from "node:fs";
import solc from "solc";

/** A pipe takes only so much at a time: write until everything is out. */
function print(text) {
  let bytes = Buffer.from(text);
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

if (process.argv.includes("--version"))
  print(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
else if (process.argv.includes("--standard-json")) print(solc.compile(readFileSync(0, "utf8")));
else process.exit(2);
