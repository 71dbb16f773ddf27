// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Buyers' accounts, subscriptions, vouchers, settlement and payout
/// @notice The only contract of the set that holds money. No owner, no pause, no upgrade.
/// @dev subscriptionId = planId << 32 | sequence (96 bits; sequences start at 1). Times are UTC seconds.
interface IMaaSMarket {
    /// @dev Computed, never stored. Refundable: bought, not activated, past its deadline.
    enum Status {
        None,
        Purchased,
        Refundable,
        Active,
        Releasing,
        Released,
        Refunded
    }

    /// @dev Why an item of a batch was left out. OverCap: beyond the subscription's cap, or beyond the 2^88 - 1 of the
    ///      token's smallest units that one plan can earn in its life.
    enum SkipReason {
        Unknown,
        NotActive,
        Stale,
        OverCap,
        BadSignature
    }

    /// @param signer the session key (an EOA) that will sign activation and vouchers
    /// @param cap the most billable units that this subscription may ever cost
    /// @param periods prepaid periods
    /// @param requirementsHash SHA-256 of the request document (RFC 8785 bytes)
    /// @param total exactly cap × unitPrice + periods × periodPrice
    struct Order {
        address buyer;
        uint64 planId;
        address signer;
        uint40 cap;
        uint32 periods;
        bytes32 requirementsHash;
        uint256 total;
        uint64 nonce;
        uint64 deadline;
    }

    struct Permit {
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @param units cumulative billable units of the subscription
    /// @param usageRoot SHA-256(0x02 || uint64 size || root) of the subscription's usage log
    /// @param r compact signature (ERC-2098) of the session key
    /// @param vs compact signature (ERC-2098) of the session key
    struct Voucher {
        uint96 subscriptionId;
        uint40 units;
        bytes32 usageRoot;
        bytes32 r;
        bytes32 vs;
    }

    /// @dev One leaf of the usage log: SHA-256(0x00 || abi.encodePacked(all fields in this order)).
    /// @param seq index of the leaf, from 0
    /// @param meter which meter of the plan's terms counted (its index there)
    /// @param quantity raw measured quantity
    /// @param units billable units of this record, net of included units and QoE discounts
    /// @param total running billable units up to and including this record
    /// @param immersion Meta-Immersion in thousandths
    /// @param requestHash SHA-256 of the client's request
    struct UsageRecord {
        uint96 subscriptionId;
        uint64 seq;
        uint32 meter;
        uint64 quantity;
        uint64 units;
        uint64 total;
        uint64 startMillis;
        uint64 endMillis;
        uint32 immersion;
        bytes32 requestHash;
    }

    /// @param size leaves in the log under the voucher's usageRoot
    /// @param path RFC 6962 audit path of leaf `record.seq`
    struct InclusionProof {
        uint64 size;
        bytes32[] path;
    }

    struct Subscription {
        address buyer;
        address signer;
        uint40 cap;
        uint40 used;
        uint32 since;
        uint32 paidThrough;
        uint32 collectedThrough;
        Status status;
    }

    event Deposited(address indexed account, address indexed payer, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event OrdersCancelled(address indexed buyer, uint64 nonce);
    /// @param deadline the last second at which it may be activated
    /// @param reserved cap × unitPrice + periods × periodPrice
    event Subscribed(
        uint96 indexed subscriptionId,
        address indexed buyer,
        address signer,
        uint40 cap,
        uint32 periods,
        uint256 reserved,
        uint64 deadline,
        bytes32 requirementsHash
    );
    event Activated(uint96 indexed subscriptionId, bytes32 endpointHash, uint32 since, uint32 paidThrough);
    event Refunded(uint96 indexed subscriptionId, address indexed buyer, uint256 amount);
    /// @param payer whose account paid; anyone may top up, refunds go to the buyer
    event CapRaised(uint96 indexed subscriptionId, address indexed payer, uint40 cap, uint256 amount);
    /// @param payer whose account paid; anyone may renew, refunds go to the buyer
    event Renewed(
        uint96 indexed subscriptionId, address indexed payer, uint32 periods, uint32 paidThrough, uint256 amount
    );
    event SignerProposed(uint96 indexed subscriptionId, address signer, uint64 confirmableAt);
    event SignerConfirmed(uint96 indexed subscriptionId, address signer);
    /// @param timePaid credited to the plan for time elapsed and not yet collected
    /// @param timeRefunded returned to the buyer for time not used
    event ReleaseRequested(uint96 indexed subscriptionId, uint256 timePaid, uint256 timeRefunded, uint64 releasableAt);
    event Released(uint96 indexed subscriptionId, address indexed buyer, uint256 refunded);
    /// @param units cumulative units after this voucher
    /// @param amount credited to the plan by this voucher
    event Settled(uint96 indexed subscriptionId, uint40 units, uint256 amount, bytes32 usageRoot);
    event Skipped(uint96 indexed subscriptionId, SkipReason reason);
    event TimeCollected(uint96 indexed subscriptionId, uint256 amount, uint32 through);
    event PaidOut(uint64 indexed planId, address indexed to, uint256 amount);
    event SharePaidOut(uint64 indexed planId, uint32 indexed modelId, address indexed to, uint256 amount);

    error InsufficientBalance(uint256 needed, uint256 available);
    error UnknownPlan(uint64 planId);
    error PlanIsRetired(uint64 planId);
    error ZeroSigner();
    error SignerHasCode(address signer);
    error NothingBought();
    error WrongTotal(uint256 expected, uint256 given);
    error WrongNonce(uint64 expected, uint64 given);
    error OrderExpired(uint64 deadline, uint256 nowAt);
    error BadSignature(address expected);
    error NotBuyer(address expected, address caller);
    error WrongStatus(Status expected, Status actual);
    error TooEarly(uint256 opensAt, uint256 nowAt);
    error TooLate(uint256 closedAt, uint256 nowAt);
    error Lapsed(uint256 paidThrough);
    error NoPeriods(uint64 planId);
    error NothingProposed(uint96 subscriptionId);
    error NotEntitledToShare(uint64 planId, uint32 modelId);
    error TokenMisbehaved(uint256 expected, uint256 received);
    error Overflow(bytes32 field);

    // money in and out of accounts
    function deposit(address account, uint256 amount) external;
    function depositWithPermit(address account, uint256 amount, Permit calldata permit) external;
    function withdraw(uint256 amount) external;

    // buying
    /// @notice Buys for the caller; pulls exactly the shortfall of the caller's account from the caller.
    function buy(uint64 planId, address signer, uint40 cap, uint32 periods, bytes32 requirementsHash)
        external
        returns (uint96 subscriptionId);
    /// @notice Buys for `order.buyer`, who signed the order (ECDSA or ERC-1271); anyone may relay it.
    /// @dev A permit with value 0 is skipped; a failing permit is ignored (it may have been front-run).
    function buyFor(Order calldata order, bytes calldata signature, Permit calldata permit)
        external
        returns (uint96 subscriptionId);
    /// @notice Invalidates all orders of the caller below `nonce`.
    function cancelOrders(uint64 nonce) external;

    // a subscription's life
    /// @notice Starts the subscription's time; anyone may submit it until the activation deadline.
    /// @dev (r, vs) is the session key's compact signature (ERC-2098) over Activation{subscriptionId, endpointHash}.
    function activate(uint96 subscriptionId, bytes32 endpointHash, bytes32 r, bytes32 vs) external;
    function refund(uint96 subscriptionId) external;
    function raiseCap(uint96 subscriptionId, uint40 addedUnits) external;
    function renew(uint96 subscriptionId, uint32 periods) external;
    function proposeSigner(uint96 subscriptionId, address signer) external;
    function confirmSigner(uint96 subscriptionId) external;
    function requestRelease(uint96 subscriptionId) external;
    function release(uint96 subscriptionId) external;

    // settlement
    function settle(Voucher[] calldata vouchers) external;
    function collectTime(uint96[] calldata subscriptionIds) external;
    function payout(uint64 planId) external returns (uint256 amount);
    function payoutShare(uint64 planId, uint32 modelId) external returns (uint256 amount);

    // views
    function catalog() external view returns (address);
    function token() external view returns (address);
    function accountOf(address account) external view returns (uint128 balance, uint64 nonce);
    function quote(uint64 planId, uint40 cap, uint32 periods) external view returns (uint256 total);
    function subscription(uint96 subscriptionId) external view returns (Subscription memory);
    function statusOf(uint96 subscriptionId) external view returns (Status);
    function isEntitled(uint96 subscriptionId) external view returns (bool);
    function earningsOf(uint64 planId) external view returns (uint96 earned, uint96 paid);
    function sharePending(uint64 planId, uint32 modelId) external view returns (uint256);
    function activationDeadlineOf(uint96 subscriptionId) external view returns (uint64);
    function releasableAt(uint96 subscriptionId) external view returns (uint64);
    /// @notice True exactly when session key and meter key both signed this voucher, the record is in its log, and
    ///         record.total <= voucher.units <= used. It promises just that.
    /// @param meterSig the gateway's 65-byte signature over the same EIP-712 voucher
    function proveUsage(
        UsageRecord calldata record,
        InclusionProof calldata proof,
        Voucher calldata voucher,
        bytes calldata meterSig
    ) external view returns (bool);
    function hashOrder(Order calldata order) external view returns (bytes32 digest);
    function hashVoucher(uint96 subscriptionId, uint40 units, bytes32 usageRoot) external view returns (bytes32 digest);
    function hashActivation(uint96 subscriptionId, bytes32 endpointHash) external view returns (bytes32 digest);
}
