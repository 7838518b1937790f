// Compiles src/*.sol with the pinned solc and writes artifacts/<Name>.json; --check compares and writes nothing.
// Folders of GROUPS as arguments: these alone.
//
// An artifact is what users need: the ABI, both bytecodes, and digests that tie them to the sources. Keys are sorted
// and nothing in it depends on the machine or the time, so the same sources give the same bytes everywhere.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const HERE = dirname(fileURLToPath(import.meta.url));
// What is deployed, by the folders of sources that it is compiled from: what is added later leaves the bytes of a
// released edition alone, also the digest of its sources.
const GROUPS = [
  {
    folder: "src",
    without: ["src/agents", "src/dispute", "src/payments"],
    deployed: ["TestUSD", "DatasetRegistry", "LicenseMarket", "ProviderRegistry", "JobMarket"],
  },
  { folder: "src/agents", deployed: ["Mandates", "MandateAccount", "Evaluators", "Evaluator"] },
  { folder: "src/dispute", deployed: ["TraceRules", "LineRules", "Disputes"] },
  { folder: "src/payments", deployed: ["PrepaidOrders", "TestUSDWithAuthorization"] },
];
// solc's reminder to clear transient storage; its own text exempts reentrancy guards, the only use here.
const TRANSIENT_STORAGE = "2394";
const SETTINGS = {
  evmVersion: "prague",
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  optimizer: { enabled: true, runs: 200 },
  outputSelection: {
    "*": {
      "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"],
    },
  },
  viaIR: true,
};

function read(path) {
  for (const root of [HERE, join(HERE, "node_modules")]) {
    const full = join(root, path);
    if (existsSync(full)) return readFileSync(full, "utf8");
  }
  return null;
}

function sources({ folder, without = [] }) {
  const walk = (inside) =>
    readdirSync(join(HERE, inside), { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? walk(join(inside, entry.name)) : [join(inside, entry.name)],
    );
  return walk(folder)
    .filter((path) => path.endsWith(".sol") && !without.some((each) => path.startsWith(`${each}/`)))
    .sort();
}

function sortKeys(value) {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortKeys(value[key])]),
  );
}

/** Byte ranges of the runtime code that deployment fills with immutables; a code hash must leave them out. */
function immutableRanges(references) {
  return Object.values(references ?? {})
    .flat()
    .map(({ start, length }) => [start, length])
    .sort((a, b) => a[0] - b[0]);
}

function build(group) {
  const names = sources(group);
  const digest = createHash("sha256");
  for (const name of names) digest.update(name).update("\0").update(read(name)).update("\0");
  const input = {
    language: "Solidity",
    settings: SETTINGS,
    sources: Object.fromEntries(names.map((name) => [name, { content: read(name) }])),
  };
  const output = JSON.parse(
    solc.compile(JSON.stringify(input), {
      import: (path) => {
        const contents = read(path);
        return contents === null ? { error: `no such source: ${path}` } : { contents };
      },
    }),
  );
  const complaints = (output.errors ?? []).filter(
    (error) => error.severity !== "info" && error.errorCode !== TRANSIENT_STORAGE,
  );
  if (complaints.length > 0) throw new Error(complaints.map((error) => error.formattedMessage).join("\n"));
  return group.deployed.map((name) => {
    const contract = output.contracts[`${group.folder}/${name}.sol`][name];
    const artifact = {
      abi: contract.abi,
      bytecode: `0x${contract.evm.bytecode.object}`,
      compiler: solc.version(),
      contract: name,
      deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
      immutables: immutableRanges(contract.evm.deployedBytecode.immutableReferences),
      sources: digest.copy().digest("hex"),
    };
    return [join(HERE, "artifacts", `${name}.json`), render(sortKeys(artifact)), artifact];
  });
}

/** One line for each ABI entry: small, and a change of one function is one line in a diff. */
function render(artifact) {
  const fields = Object.entries(artifact).map(([key, value]) => {
    const text =
      key === "abi" ? `[\n${value.map((item) => `  ${JSON.stringify(item)}`).join(",\n")}\n ]` : JSON.stringify(value);
    return ` ${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${fields.join(",\n")}\n}\n`;
}

const check = process.argv.includes("--check");
const only = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const artifacts = GROUPS.filter(({ folder }) => only.length === 0 || only.includes(folder)).flatMap(build);
let stale = false;
for (const [path, text, artifact] of artifacts) {
  const same = existsSync(path) && readFileSync(path, "utf8") === text;
  stale ||= !same;
  if (!check && !same) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  const bytes = (artifact.deployedBytecode.length - 2) / 2;
  const note = check ? "  STALE" : "  written";
  console.log(`${artifact.contract.padEnd(17)} ${String(bytes).padStart(6)} bytes${same ? "" : note}`);
}
if (check && stale) {
  console.error("The committed artifacts are not what the sources compile to. Run: node contracts/build.mjs");
  process.exit(1);
}
