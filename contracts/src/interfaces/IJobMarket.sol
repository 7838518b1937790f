// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "./IDisputes.sol";

/// @title Jobs: escrow, random draw, commit and reveal, release or refusal, and an end to every state
interface IJobMarket {
    /// @dev RELEASED is passed inside `release`, which also settles: it is announced by an event and never stored.
    enum State {
        NONE,
        OPEN,
        ASSIGNED,
        DISPUTED,
        COMPUTED,
        RELEASED,
        SETTLED,
        REFUSED,
        EXPIRED,
        FAILED
    }

    /// @notice What the dataset's owner said of a job.
    enum Approval {
        NONE,
        APPROVED,
        DENIED
    }

    /// @param version the dataset's version that the order was quoted for
    /// @param content what that version binds, as in `IDatasetRegistry.Dataset`; compared at the opening, not stored
    struct Order {
        uint256 license;
        bytes32 circuit;
        uint64 firstRow;
        uint64 rows;
        bytes32 sealingKey;
        uint64 units;
        uint8 replicas;
        uint256 maxFee;
        uint16 version;
        bytes32 content;
    }

    /// @param price what the owner earns when the job settles
    /// @param maxFee what was escrowed for all executors together
    /// @param deadline of the present state and phase; 0 in a terminal state
    /// @param seedBlock block whose hash draws the executors (OPEN, DISPUTED)
    /// @param openedBlock block that holds the JobOpened event
    /// @param closedBlock block that holds the terminal state's event; 0 before
    /// @param revealing every drawn executor has committed, so receipts may be revealed
    /// @param receipt the agreed digest; zero before COMPUTED
    /// @param contestedFrom how many executors had been drawn when the custodian contested their result; 0 if it did
    ///        not
    /// @param approval the owner's word, once it is said
    struct Job {
        uint256 license;
        uint256 dataset;
        address buyer;
        State state;
        uint64 units;
        uint64 rows;
        uint8 replicas;
        uint8 drawn;
        uint8 round;
        uint256 price;
        uint256 maxFee;
        uint256 deadline;
        uint256 seedBlock;
        uint256 openedBlock;
        uint256 closedBlock;
        bool revealing;
        bytes32 receipt;
        uint8 contestedFrom;
        Approval approval;
    }

    /// @param fee what it earns if its digest wins
    /// @param commitment zero until it commits and again after it reveals
    /// @param receipt zero until it reveals
    /// @param out it declined, or missed a deadline and was slashed
    struct Execution {
        address provider;
        uint256 fee;
        bytes32 commitment;
        bytes32 receipt;
        bool out;
    }

    event JobOpened(
        uint256 indexed job,
        uint256 indexed dataset,
        address indexed buyer,
        uint256 license,
        uint16 version,
        bytes32 circuit,
        uint64 firstRow,
        uint64 rows,
        bytes32 sealingKey,
        uint64 units,
        uint8 replicas,
        uint256 price,
        uint256 maxFee
    );
    /// @notice A job whose receipts can be disputed: what of circuit and dataset a dispute reads is under this root.
    event ProgramStated(uint256 indexed job, bytes32 program);
    event DrawArmed(uint256 indexed job, uint256 seedBlock);
    event JobAssigned(uint256 indexed job, address[] providers, uint256[] fees, uint256 commitBy);
    /// @notice The table holds more seats than one call looks at: these were found, `draw` again goes on.
    event DrawContinued(uint256 indexed job, address[] providers, uint256[] fees);
    event EvictionPaid(uint256 indexed job, address indexed caller, uint256 amount);
    event Committed(uint256 indexed job, address indexed provider, bytes32 commitment);
    event Declined(uint256 indexed job, address indexed provider);
    event RevealsOpen(uint256 indexed job, uint256 revealBy);
    event Revealed(uint256 indexed job, address indexed provider, bytes32 receipt);
    event JobDisputed(uint256 indexed job, uint8 round, uint256 seedBlock);
    event JobContested(uint256 indexed job, address indexed custodian, uint256 seedBlock);
    event JobComputed(uint256 indexed job, bytes32 receipt, uint256 releaseBy);
    event JobApproved(uint256 indexed job, address indexed owner);
    event JobDenied(uint256 indexed job, address indexed owner);
    event JobReleased(uint256 indexed job, bytes32 sealedDigest, bytes32 decision);
    event JobSettled(uint256 indexed job);
    event JobRefused(uint256 indexed job, bytes32 reason, bytes32 decision);
    event JobExpired(uint256 indexed job, State stage);
    event JobFailed(uint256 indexed job);
    event PaymentReleased(uint256 indexed job, address indexed provider, uint256 amount);
    event Refunded(uint256 indexed job, address indexed buyer, uint256 amount);
    event ExecutorSlashed(uint256 indexed job, address indexed provider, uint256 amount, bool silent);
    /// @notice What silence, or a contest that did not overturn the result, cost a dataset's custodian bond.
    event CustodianPenalized(uint256 indexed job, uint256 indexed dataset, uint256 amount);
    event CustodianBonded(uint256 indexed dataset, address indexed by, uint256 amount);
    event CustodianUnbonded(uint256 indexed dataset, address indexed by, uint256 amount);

    error BadOrder();
    error BadReplicas(uint256 replicas);
    error NoSuchJob(uint256 job);
    error WrongState(uint256 job, State state);
    error DrawTooEarly(uint256 job, uint256 seedBlock);
    error DeadlinePassed(uint256 job, uint256 deadline);
    error DeadlineNotReached(uint256 job, uint256 deadline);
    error NotAnExecutor(uint256 job, address caller);
    error ZeroCommitment();
    error ZeroDigest();
    error AlreadyCommitted(uint256 job, address provider);
    error RevealsNotOpen(uint256 job);
    error AlreadyRevealed(uint256 job, address provider);
    error WrongReveal(uint256 job, address provider);
    error NotCustodian(uint256 job, address caller);
    error NotOwner(uint256 job, address caller);
    error AlreadyAnswered(uint256 job, Approval approval);
    error DeniedByOwner(uint256 job);
    error WiringWrong();
    error OrderOutdated(uint256 dataset, uint256 version);
    error StaleHead(uint256 dataset, bytes32 head);
    error AlreadyContested(uint256 job);
    error CustodianNotBonded(uint256 dataset, uint256 free, uint256 needed);
    error NotParty(uint256 dataset, address caller);
    error ZeroProgram();
    error JobSuspended(uint256 job);
    error NotDisputable(uint256 job, uint256 index);
    error TooManyDisputes(uint256 job);
    error BondTooLarge(uint256 bond, uint256 most);
    error NotDisputes(address caller);

    function open(Order calldata order) external returns (uint256 job);

    function openWithPermit(Order calldata order, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 job);

    /// @notice The same for a job whose receipts may be disputed. `program` is a digest that everybody derives from
    ///         the circuit and the dataset (docs/trace.md, section 7): executors decline a job that states another.
    function openWithProgram(Order calldata order, bytes32 program) external returns (uint256 job);

    function openWithProgramAndPermit(
        Order calldata order,
        bytes32 program,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (uint256 job);

    function draw(uint256 job) external;

    function commit(uint256 job, bytes32 commitment) external;

    function decline(uint256 job) external;

    function reveal(uint256 job, bytes32 receipt, bytes32 salt) external;

    function approve(uint256 job) external;

    function deny(uint256 job) external;

    function contest(uint256 job) external;

    function release(uint256 job, bytes32 sealedDigest, bytes32 decision, bytes32 head) external;

    function refuse(uint256 job, bytes32 reason, bytes32 decision, bytes32 head) external;

    function expire(uint256 job) external;

    /// @dev Only the contract of disputes: stops the job's clock, and takes `leastBond` times the disputes that it then
    ///      has from the challenger.
    function suspend(uint256 job, uint256 index, address challenger, uint256 leastBond, uint256 mostBond)
        external
        returns (address executor, bytes32 receipt, bytes32 order, uint256 bond);

    /// @dev Only the contract of disputes: ends what `suspend` began, and pays by the verdict.
    function resume(
        uint256 job,
        uint256 index,
        address executor,
        address challenger,
        uint256 bond,
        IDisputes.Verdict verdict
    ) external;

    function bondCustodian(uint256 dataset, uint256 amount) external;

    function unbondCustodian(uint256 dataset, uint256 amount) external;

    function get(uint256 job) external view returns (Job memory);

    function executionsOf(uint256 job) external view returns (Execution[] memory);

    function commitmentFor(uint256 job, address provider, bytes32 receipt, bytes32 salt) external view returns (bytes32);

    function jobCount() external view returns (uint64);

    /// @notice A dataset's last answer: keccak256(abi.encode(head before, job, decision)), zero before the first.
    function decisionHead(uint256 dataset) external view returns (bytes32);

    /// @notice What answers for a custodian's silence, and the part that open jobs hold.
    function custodyOf(uint256 dataset) external view returns (uint256 bond, uint256 held);

    /// @notice keccak256(abi.encode(circuit, firstRow, rows, content, program)) of a job that states a program, else zero.
    function orderDigest(uint256 job) external view returns (bytes32);

    /// @notice How many disputes of a job are running, and until when others may be opened.
    function disputesOf(uint256 job) external view returns (uint256 running, uint256 until);

    /// @notice What lost bonds left here for good: claimable by nobody.
    function burned() external view returns (uint256);

    /// @notice Most seconds from a job's opening to its end, whoever stays silent.
    function longestLife() external view returns (uint256);
}
