// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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

    struct Order {
        uint256 license;
        bytes32 circuit;
        uint64 firstRow;
        uint64 rows;
        bytes32 sealingKey;
        uint64 units;
        uint8 replicas;
        uint256 maxFee;
    }

    /// @param price what the owner earns when the job settles
    /// @param maxFee what was escrowed for all executors together
    /// @param deadline of the present state and phase; 0 in a terminal state
    /// @param seedBlock block whose hash draws the executors (OPEN, DISPUTED)
    /// @param openedBlock block that holds the JobOpened event
    /// @param closedBlock block that holds the terminal state's event; 0 before
    /// @param revealing every drawn executor has committed, so receipts may be revealed
    /// @param receipt the agreed digest; zero before COMPUTED
    /// @param pot stakes of silent executors that wait for the job's outcome
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
        uint256 pot;
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
    event DrawArmed(uint256 indexed job, uint256 seedBlock);
    event JobAssigned(uint256 indexed job, address[] providers, uint256[] fees, uint256 commitBy);
    event Committed(uint256 indexed job, address indexed provider, bytes32 commitment);
    event Declined(uint256 indexed job, address indexed provider);
    event RevealsOpen(uint256 indexed job, uint256 revealBy);
    event Revealed(uint256 indexed job, address indexed provider, bytes32 receipt);
    event JobDisputed(uint256 indexed job, uint8 round, uint256 seedBlock);
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
    event CustodianPenalized(uint256 indexed job, uint256 indexed offer, uint256 amount);

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

    function open(Order calldata order) external returns (uint256 job);

    function openWithPermit(Order calldata order, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 job);

    function draw(uint256 job) external;

    function commit(uint256 job, bytes32 commitment) external;

    function decline(uint256 job) external;

    function reveal(uint256 job, bytes32 receipt, bytes32 salt) external;

    function approve(uint256 job) external;

    function deny(uint256 job) external;

    function release(uint256 job, bytes32 sealedDigest, bytes32 decision) external;

    function refuse(uint256 job, bytes32 reason, bytes32 decision) external;

    function expire(uint256 job) external;

    function get(uint256 job) external view returns (Job memory);

    function executionsOf(uint256 job) external view returns (Execution[] memory);

    function commitmentFor(uint256 job, address provider, bytes32 receipt, bytes32 salt) external view returns (bytes32);

    function jobCount() external view returns (uint64);
}
