// What this node's API answers and what its pages hand to their scripts. Each interface names the Python class whose
// JSON it is; tests/market/web/test_shared_tables.py compares them.

/** Token units or another count that may be above 2^53, as decimal text. */
type Amount = string;

/** app.market.web.errors.problems:Problem */
interface ProblemDocument {
  code: string;
  detail: string;
  next_step: string;
  errors: FieldError[];
}

/** app.market.web.errors.problems:FieldError */
interface FieldError {
  field: string;
  message: string;
}

/** app.market.web.api.routes.accounts:MoneyView */
interface MoneyView {
  address: string;
  tokens: Amount;
  wei: Amount;
  claims: Record<string, Amount>;
}

/** app.market.web.api.readiness:NodeStatusView */
interface NodeStatusView {
  index: IndexStatus;
}

/** app.market.web.api.readiness:IndexStatus */
interface IndexStatus {
  height: number;
}

/** app.market.web.api.routes.session:SignInMessage */
interface SignInMessage {
  message: string;
}

/** app.market.web.api.routes.session:SessionView */
interface SessionView {
  signed_in: boolean;
  address: string;
  csrf: string;
}

/** app.market.web.api.routes.tokens:TokenView */
interface TokenView {
  id: string;
  name: string;
  scopes: string[];
  expires_at: number;
  revoked_at: number;
}

/** app.market.web.api.routes.tokens:TokenList */
interface TokenList {
  items: TokenView[];
}

/** app.market.web.api.routes.tokens:MadeToken */
interface MadeToken {
  token: string;
}

/** app.market.web.transactions.requests:UnsignedTransaction */
interface UnsignedTransaction {
  permit: TypedPermit | null;
  transactions: PreparedTransaction[];
}

/** app.market.web.transactions.requests:TypedPermit */
interface TypedPermit {
  deadline: number;
  typed_data: TypedData;
}

/** app.market.web.transactions.requests:Transaction */
interface PreparedTransaction {
  contract: string;
  request: WalletRequest;
}

/** app.market.web.transactions.requests:WalletRequest */
interface WalletRequest {
  from: string;
  to: string;
  data: string;
  value: string;
  chainId: string;
  nonce: string;
  gas: string | null;
  maxFeePerGas: string;
  maxPriorityFeePerGas: string;
}

/** app.market.web.api.routes.chain:TransactionReceipt */
interface DecodedReceipt {
  events: EventView[];
}

/** app.market.web.api.routes.chain:EventView */
interface EventView {
  name: string;
  args: Record<string, string>;
}

/** app.protocol.market.receipt:SealedResult */
interface SealedResult {
  context: Record<string, unknown>;
  enc: string;
  ciphertext_cid: string;
  ciphertext_bytes: number;
}

/** app.protocol.market.receipt:Decision */
interface Decision {
  kind: string;
  signature: string;
}

/** app.seal.result:ResultHeader */
interface ResultHeader {
  released: "label" | "score" | "aggregate";
  outputs: string[];
  first_row: number;
  rows: number;
  group: number;
  levels: number;
  lows: number[];
  highs: number[];
  noise_scale_milli: number;
  key_bytes?: number;
}

/** fhe.circuit.circuit:Readout */
interface Readout {
  kind: "value" | "threshold" | "argmax" | "cuts";
  at?: number;
  cuts?: number[];
}

/** fhe.compile.decoder:Labels */
interface Labels {
  type: string;
  values: string[];
}

/** fhe.compile.decoder:Decoder */
interface Decoder {
  model: string;
  circuit: string;
  scale: number;
  zero_points: number[];
  link: string;
  labels: Labels | null;
  probabilities: boolean;
  shift: number;
  threshold: number;
  knots: [number, number][];
}

/** page: app/market/web/pages/site.py return */
interface PageConfig {
  readonly chainId: number;
  readonly contracts: Readonly<Record<string, string>>;
  readonly coin: { readonly contract: string; readonly symbol: string; readonly decimals: number };
  readonly demo: boolean;
  readonly testMoney: boolean;
  readonly faucet: boolean;
  readonly relay: boolean;
  readonly now: number;
}

/** page: app/market/web/pages/jobs.py order = */
interface ResultOrder {
  outcomes: string[];
  job: number;
  dataset: number;
  version: number;
  license: number;
  buyer: string;
  sealingKey: string;
  manifest: string;
  circuit: string;
  receipt: string;
  sealed: string;
  openTx: string;
  releaseTx: string;
}

/** page: app/market/web/pages/jobs.py expected = */
interface AuditExpectation {
  job: number;
  dataset: number;
  market: string;
  chainId: number;
  manifest: string;
  circuit: string;
  receipt: string;
  buyer: string;
  license: number;
  sealingKey: string;
  firstRow: number;
  rows: number;
}

/** app.market.web.questions:CompiledQuestion */
interface CompiledQuestion {
  digest: string;
  circuit: string;
  reading: ReadingView;
}

/** app.market.web.questions:ReadingView */
interface ReadingView {
  groups: string[];
  names: string[];
  rows: ReadingRowView[];
  remarks: string[];
}

/** app.market.web.questions:ReadingRowView */
interface ReadingRowView {
  groups: string[];
  figures: FormView[];
}

/** app.market.web.questions:FormView */
interface FormView {
  kind: "total" | "average" | "quantile";
  outputs: number[];
  known: number[];
  weights: number[];
  at: number;
}

/** app.market.queries.licensing:LicenseView */
interface LicenseView {
  id: number;
  offer: number;
  state: string;
  jobs_left: number;
  rows_left: number;
}
