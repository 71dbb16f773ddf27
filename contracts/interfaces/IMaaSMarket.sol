// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Buyers' accounts, subscriptions, vouchers, settlement and payout
/// @notice The only contract of the set that holds money. No owner, no pause, no upgrade.
/// @dev subscriptionId = planId << 32 | sequence (96 bits; sequences start at 1). Times are UTC seconds, amounts the
///      token's smallest units; every division rounds down.
///
///      What is assumed of outsiders everywhere:
///      - The token, fixed at deployment, is a plain ERC-20. A permit apart it is called last, after all is written,
///        and what moves is measured by this contract's own balance: a token that takes fees, returns false or moves
///        another sum reverts the call. One that re-enters finds every function that moves tokens closed, and behind
///        the others finished books. One that changes balances by itself would leave accounts short, and what one
///        refuses to transfer stays inside: choose the token with care. Tokens sent here without `deposit` are a
///        donation, for ever.
///      - The catalogue, fixed at deployment, never changes a published plan and never burns a model.
///      - Signatures are EIP-712 under ("Slicing4Meta MaaSMarket", "1", this chain, this contract): void elsewhere.
interface IMaaSMarket {
    /// @notice Where a subscription stands.
    /// @dev Computed, never stored.
    enum Status {
        /// @notice never bought
        None,
        /// @notice bought; may be activated until its deadline
        Purchased,
        /// @notice bought, not activated, past its deadline; anyone may refund it
        Refundable,
        /// @notice in use, also after the prepaid time has lapsed
        Active,
        /// @notice release requested: no more use, vouchers still settle
        Releasing,
        /// @notice ended after an activation; nothing changes any more
        Released,
        /// @notice ended without one; nothing changes any more
        Refunded
    }

    /// @notice Why an item of a batch was left out.
    enum SkipReason {
        /// @notice no such subscription
        Unknown,
        /// @notice not activated yet, or ended; for time also: release requested, which settled the time
        NotActive,
        /// @notice settled already, or nothing new is due
        Stale,
        /// @notice beyond the subscription's cap, or beyond the 2^88 - 1 that one plan can earn in its life
        OverCap,
        /// @notice not signed by the session key of now
        BadSignature
    }

    /// @notice A purchase that the buyer signs and anyone may bring.
    /// @param buyer whose account and wallet pay; an EOA or an ERC-1271 contract
    /// @param planId what is bought
    /// @param signer the session key (an EOA) that will sign activation and vouchers
    /// @param cap the most billable units that this subscription may ever cost
    /// @param periods prepaid periods
    /// @param requirementsHash SHA-256 of the request document (RFC 8785 bytes)
    /// @param total exactly cap × unitPrice + periods × periodPrice
    /// @param nonce the buyer's next one, from `accountOf`
    /// @param deadline the last second at which the order may be brought
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

    /// @notice An ERC-2612 permit for this contract by who pays.
    /// @param value the allowance that it sets; 0 for no permit at all
    /// @param deadline the last second at which the token accepts it
    /// @param v recovery id of the signature
    /// @param r first half of the signature
    /// @param s second half of the signature
    struct Permit {
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice What the session key owns up to: so many units in all, by this log.
    /// @param subscriptionId whose use it is
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

    /// @notice One leaf of the usage log: SHA-256(0x00 || abi.encodePacked(all fields in this order)).
    /// @param subscriptionId whose use it is
    /// @param seq index of the leaf, from 0
    /// @param meter which meter of the plan's terms counted (its index there)
    /// @param quantity raw measured quantity
    /// @param units billable units of this record, net of included units and QoE discounts
    /// @param total running billable units up to and including this record
    /// @param startMillis when the use began, UTC milliseconds
    /// @param endMillis when it ended, UTC milliseconds
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

    /// @notice Shows that a record is in a log.
    /// @param size leaves in the log under the voucher's usageRoot
    /// @param path RFC 6962 audit path of leaf `record.seq`
    struct InclusionProof {
        uint64 size;
        bytes32[] path;
    }

    /// @notice A subscription as it stands.
    /// @param buyer to whom all refunds go
    /// @param signer the session key of now
    /// @param cap the most billable units that it may ever cost
    /// @param used billable units settled so far
    /// @param since when it was activated; 0 before
    /// @param paidThrough the second through which time is prepaid; 0 before activation
    /// @param collectedThrough the second through which time is credited to the plan; 0 before activation
    /// @param status where it stands
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

    /// @notice Tokens came in; also what a purchase, top-up or renewal pulled (its own event comes first and debits
    ///         it).
    /// @param account whose account grew
    /// @param payer whose tokens they were
    /// @param amount what came in
    event Deposited(address indexed account, address indexed payer, uint256 amount);

    /// @notice Tokens went out to the account's holder.
    /// @param account whose account fell
    /// @param amount what went out
    event Withdrawn(address indexed account, uint256 amount);

    /// @notice All orders of the buyer below a nonce are void.
    /// @param buyer whose orders
    /// @param nonce the next that is accepted
    event OrdersCancelled(address indexed buyer, uint64 nonce);

    /// @notice A subscription was bought; its buyer's nonce rose by one and its account fell by `reserved`.
    /// @param subscriptionId its id, which tells the plan
    /// @param buyer who paid
    /// @param signer the session key
    /// @param cap billable units reserved
    /// @param periods periods prepaid
    /// @param reserved cap × unitPrice + periods × periodPrice
    /// @param deadline the last second at which it may be activated
    /// @param requirementsHash the hash given with the purchase
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

    /// @notice The service was handed over: time runs.
    /// @param subscriptionId which
    /// @param endpointHash what the session key signed as its endpoint
    /// @param since now
    /// @param paidThrough the second through which time is prepaid; equals `since` without periods
    event Activated(uint96 indexed subscriptionId, bytes32 endpointHash, uint32 since, uint32 paidThrough);

    /// @notice A subscription that was never activated is over.
    /// @param subscriptionId which
    /// @param buyer whose account grew
    /// @param amount all that was reserved
    event Refunded(uint96 indexed subscriptionId, address indexed buyer, uint256 amount);

    /// @notice More units were reserved.
    /// @param subscriptionId which
    /// @param payer whose account fell; refunds still go to the buyer
    /// @param cap the new cap
    /// @param amount what was reserved
    event CapRaised(uint96 indexed subscriptionId, address indexed payer, uint40 cap, uint256 amount);

    /// @notice More time was prepaid.
    /// @param subscriptionId which
    /// @param payer whose account fell; refunds still go to the buyer
    /// @param periods how many periods were added
    /// @param paidThrough the new end of the prepaid time
    /// @param amount what was prepaid
    event Renewed(
        uint96 indexed subscriptionId, address indexed payer, uint32 periods, uint32 paidThrough, uint256 amount
    );

    /// @notice A new session key was proposed, in place of any proposed before.
    /// @param subscriptionId which
    /// @param signer the key proposed
    /// @param confirmableAt the first second at which it can be confirmed
    event SignerProposed(uint96 indexed subscriptionId, address signer, uint64 confirmableAt);

    /// @notice The session key was replaced; what only the former one signed can no longer be settled.
    /// @param subscriptionId which
    /// @param signer the session key from now on
    event SignerConfirmed(uint96 indexed subscriptionId, address signer);

    /// @notice Use is over and the time settled.
    /// @param subscriptionId which
    /// @param timePaid credited to the plan for time elapsed and not yet collected
    /// @param timeRefunded returned to the buyer for time not used
    /// @param releasableAt the first second at which anyone may release
    event ReleaseRequested(uint96 indexed subscriptionId, uint256 timePaid, uint256 timeRefunded, uint64 releasableAt);

    /// @notice An activated subscription is over.
    /// @param subscriptionId which
    /// @param buyer whose account grew
    /// @param refunded the price of the units that were not used
    event Released(uint96 indexed subscriptionId, address indexed buyer, uint256 refunded);

    /// @notice A voucher was settled.
    /// @param subscriptionId which
    /// @param units cumulative units after this voucher
    /// @param amount credited to the plan by this voucher
    /// @param usageRoot the log that the session key signed with it
    event Settled(uint96 indexed subscriptionId, uint40 units, uint256 amount, bytes32 usageRoot);

    /// @notice An item of a batch was left out and changed nothing.
    /// @param subscriptionId the item's
    /// @param reason why
    event Skipped(uint96 indexed subscriptionId, SkipReason reason);

    /// @notice Elapsed prepaid time was credited to the plan.
    /// @param subscriptionId which
    /// @param amount what the plan earned by it
    /// @param through the second through which time is now collected
    event TimeCollected(uint96 indexed subscriptionId, uint256 amount, uint32 through);

    /// @notice The model's owner drew what the plan had earned.
    /// @param planId which
    /// @param to the owner at that moment
    /// @param amount what went out
    event PaidOut(uint64 indexed planId, address indexed to, uint256 amount);

    /// @notice A component's owner drew its share of what a composite's plan had earned.
    /// @param planId the composite's plan
    /// @param modelId the component
    /// @param to its owner at that moment
    /// @param amount what went out
    event SharePaidOut(uint64 indexed planId, uint32 indexed modelId, address indexed to, uint256 amount);

    /// @notice The account holds less than was asked for. Withdraw at most `available`.
    /// @param needed the sum asked for
    /// @param available the account's balance
    error InsufficientBalance(uint256 needed, uint256 available);

    /// @notice The plan was never published. Take its id from the catalogue, which raises this.
    /// @param planId the one given
    error UnknownPlan(uint64 planId);

    /// @notice The plan takes no new buyers. Buy another version.
    /// @param planId the one given
    error PlanIsRetired(uint64 planId);

    /// @notice No session key was given. Give the address of one.
    error ZeroSigner();

    /// @notice The session key given is a contract, which could not sign vouchers. Give an EOA.
    /// @param signer the address given
    error SignerHasCode(address signer);

    /// @notice Nothing would be bought. Give units; of a plan with a period, at least one period.
    error NothingBought();

    /// @notice The order signs another total than the plan's price gives. Sign it again with the expected one.
    /// @param expected by plan, cap and periods
    /// @param given by the order
    error WrongTotal(uint256 expected, uint256 given);

    /// @notice The nonce is spent or not yet due: another purchase came first, perhaps this very order. Look at
    ///         `Subscribed` before signing anew; for `cancelOrders`, give `expected` or more.
    /// @param expected the one that is accepted, the least one for `cancelOrders`
    /// @param given the one given
    error WrongNonce(uint64 expected, uint64 given);

    /// @notice The order came too late. Sign a new one.
    /// @param deadline its last second
    /// @param nowAt the block's time
    error OrderExpired(uint64 deadline, uint256 nowAt);

    /// @notice The signature is not by whom it must be, or not over this. Sign the digest of the hash functions below.
    /// @param expected the buyer or the session key
    error BadSignature(address expected);

    /// @notice Only the subscription's buyer may do this. Call from its account.
    /// @param expected the buyer; zero where there is no such subscription
    /// @param caller who tried
    error NotBuyer(address expected, address caller);

    /// @notice The subscription does not stand where this can be done. See `statusOf`.
    /// @param expected where it must stand
    /// @param actual where it stands
    error WrongStatus(Status expected, Status actual);

    /// @notice It is not yet time. Try again from `opensAt`.
    /// @param opensAt the first second at which it can be done
    /// @param nowAt the block's time
    error TooEarly(uint256 opensAt, uint256 nowAt);

    /// @notice The activation came past its deadline. Refund, and buy again.
    /// @param closedAt the last second at which it could be done
    /// @param nowAt the block's time
    error TooLate(uint256 closedAt, uint256 nowAt);

    /// @notice The prepaid time has run out and cannot be renewed. Request the release, and buy again.
    /// @param paidThrough its last second
    error Lapsed(uint256 paidThrough);

    /// @notice The plan sells no time. Give no periods.
    /// @param planId the plan
    error NoPeriods(uint64 planId);

    /// @notice No new session key waits for confirmation. Propose one.
    /// @param subscriptionId the subscription
    error NothingProposed(uint96 subscriptionId);

    /// @notice The payee is a contract, so it must draw its pay itself.
    /// @param payee the model's owner
    /// @param caller who called instead
    error NotPayee(address payee, address caller);

    /// @notice The model is no component of the plan. See the catalogue's `shares`.
    /// @param planId the plan
    /// @param modelId the model given
    error NotEntitledToShare(uint64 planId, uint32 modelId);

    /// @notice The token moved another sum than it was asked to; nothing is changed. This market cannot use such a
    ///         token.
    /// @param expected the sum asked for
    /// @param received the change of this contract's balance
    error TokenMisbehaved(uint256 expected, uint256 received);

    /// @notice The figure does not fit. Give less.
    /// @param field "balance" (of an account), "cap", "total" (of a purchase) or "paidThrough" (past the year 2106)
    error Overflow(bytes32 field);

    // money in and out of accounts

    /// @notice Pays the caller's tokens into an account.
    /// @dev Anyone may pay into any account, and only that account's holder can take it out again. Calls the token's
    ///      `transferFrom`; needs an allowance of the caller.
    /// @param account whose account grows
    /// @param amount how much; 0 is allowed and does nothing but its event
    function deposit(address account, uint256 amount) external;

    /// @notice Pays the caller's tokens into an account, with a permit in place of an allowance.
    /// @dev As `deposit`. The permit is tried first and its failure ignored: whoever saw it may have used it already,
    ///      and then the allowance is there. The caller signs it; it gives this contract the allowance and nobody else
    ///      anything.
    /// @param account whose account grows
    /// @param amount how much
    /// @param permit the caller's, for this contract
    function depositWithPermit(address account, uint256 amount, Permit calldata permit) external;

    /// @notice Pays tokens out of the caller's account to the caller.
    /// @dev Nobody else can take from an account but by what its holder signed. If the token refuses the caller (a
    ///      block list), the call reverts and the money stays in the account; there is no other way out.
    /// @param amount how much
    function withdraw(uint256 amount) external;

    // buying

    /// @notice Buys for the caller, from its account first; what that lacks is pulled from its wallet, by an allowance.
    /// @dev Asks the catalogue for the plan, which its owner can retire before this is mined but never change: the
    ///      price is the one that was read. Takes the account's next nonce, so orders signed earlier are void. The
    ///      contract checks neither that anyone holds the session key nor what the hash stands for.
    /// @param planId what is bought
    /// @param signer the session key: an address without code, whose signatures can cost at most the cap and the time
    /// @param cap billable units to reserve
    /// @param periods periods to prepay
    /// @param requirementsHash SHA-256 of the request document (RFC 8785 bytes)
    /// @return subscriptionId of the new subscription, in status Purchased
    function buy(uint64 planId, address signer, uint40 cap, uint32 periods, bytes32 requirementsHash)
        external
        returns (uint96 subscriptionId);

    /// @notice Buys for `order.buyer`, who signed the order; anyone may relay it.
    /// @dev The signature costs the buyer `order.total` once, and only the buyer's account and wallet pay. The relayer
    ///      is trusted with nothing: every field is signed, so it can only choose the moment until the deadline, or not
    ///      come; who comes second reverts by the nonce. ECDSA is tried first, then ERC-1271 by a static call, whose
    ///      contract may answer anew at each block and use up the relayer's gas, no more. The permit is the buyer's, is
    ///      tried and ignored on failure (see `depositWithPermit`); without an allowance the call then reverts. The
    ///      token's `permit` is called before the purchase is written: one that re-enters finds no function that buys.
    /// @param order what the buyer signed
    /// @param signature 65 bytes of ECDSA, or what the buyer's contract takes
    /// @param permit the buyer's, for this contract; the relayer may leave it out (value 0)
    /// @return subscriptionId of the new subscription, in status Purchased
    function buyFor(Order calldata order, bytes calldata signature, Permit calldata permit)
        external
        returns (uint96 subscriptionId);

    /// @notice Voids all orders of the caller below `nonce`.
    /// @dev A relayer that sees this coming may bring an order first. Cannot be undone: the highest number closes the
    ///      account to purchases for ever.
    /// @param nonce the next to be accepted; above the account's
    function cancelOrders(uint64 nonce) external;

    // a subscription's life

    /// @notice Starts the subscription's time with the session key's word that the service was handed over.
    /// @dev Anyone may bring the signature until the activation deadline, so it is worth the same in any hands. It
    ///      starts the prepaid time and opens settlement; by itself it costs no unit. Cannot be undone. What the hash
    ///      stands for is between the session key and the provider.
    /// @param subscriptionId in status Purchased
    /// @param endpointHash hash of the endpoint handed over
    /// @param r compact signature (ERC-2098) of the session key over Activation{subscriptionId, endpointHash}
    /// @param vs its second half
    function activate(uint96 subscriptionId, bytes32 endpointHash, bytes32 r, bytes32 vs) external;

    /// @notice Returns everything reserved to the buyer's account, when nobody activated in time.
    /// @dev Anyone may call; the buyer stored at the purchase is credited. Calls nobody. Cannot be undone.
    /// @param subscriptionId in status Refundable
    function refund(uint96 subscriptionId) external;

    /// @notice Reserves more units, at the plan's price, retired or not.
    /// @dev Anyone may pay, from its account first, then its wallet: it is a gift, for the rest returns to the buyer.
    ///      It also raises what the session key can sign away. Where a unit costs nothing only the buyer may: the cap
    ///      is then its own bound.
    /// @param subscriptionId in status Active, lapsed or not
    /// @param addedUnits how many more; not 0
    function raiseCap(uint96 subscriptionId, uint40 addedUnits) external;

    /// @notice Prepays more periods, at the plan's price, retired or not.
    /// @dev Anyone may pay, as for `raiseCap`. Only while the prepaid time runs: a gap cannot be bought back.
    /// @param subscriptionId in status Active and not lapsed
    /// @param periods how many more; not 0
    function renew(uint96 subscriptionId, uint32 periods) external;

    /// @notice Starts the replacement of the session key, by the buyer.
    /// @dev Asks the catalogue for the release window. Until the confirmation the present key alone is valid and can
    ///      sign up to the cap, also where it was stolen; providers settle its vouchers in that time. A further
    ///      proposal replaces this one and starts the window anew.
    /// @param subscriptionId in status Active
    /// @param signer the new key: an address without code
    function proposeSigner(uint96 subscriptionId, address signer) external;

    /// @notice Replaces the session key after the plan's release window.
    /// @dev Anyone may call; the buyer chose the key. Cannot be undone: vouchers of the former key that are not settled
    ///      are void, and the new key's first voucher covers the whole log.
    /// @param subscriptionId in status Active, with a proposal
    function confirmSigner(uint96 subscriptionId) external;

    /// @notice Ends the use, by the buyer: elapsed time goes to the plan, the rest of the time back to the buyer's
    ///         account.
    /// @dev Cannot be undone. Vouchers stay valid until `release`; no top-up, renewal or new key is taken any more.
    ///      Asks the catalogue for the release window. What a full plan can no longer earn goes back to the buyer too:
    ///      nobody can lock a buyer in by filling a plan.
    /// @param subscriptionId in status Active
    function requestRelease(uint96 subscriptionId) external;

    /// @notice Ends the subscription and returns the unused units' price to the buyer's account.
    /// @dev Anyone may call after the window; before it the model's owner of that moment, asked of the catalogue, who
    ///      gives up what is not settled yet, for the owners of a composite's components too. Cannot be undone:
    ///      vouchers that are not settled are void.
    /// @param subscriptionId in status Releasing
    function release(uint96 subscriptionId) external;

    // settlement

    /// @notice Credits plans with what vouchers show to have been used since the last ones.
    /// @dev Anyone may bring vouchers, in any order and again: the highest units win, the rest is skipped with its
    ///      reason, and no item can make another fail. The session key's signature alone decides, up to the cap, that
    ///      is all it can ever cost; a meter key's is not asked for here. Calls no other contract and moves no token.
    /// @param vouchers of any subscriptions; cheapest with those of one plan side by side
    function settle(Voucher[] calldata vouchers) external;

    /// @notice Credits plans with the prepaid time that has elapsed.
    /// @dev Anyone may call, as often as they like: pieces add up to what the whole costs. Skips with a reason, as
    ///      `settle`. Calls no other contract and moves no token.
    /// @param subscriptionIds in status Active
    function collectTime(uint96[] calldata subscriptionIds) external;

    /// @notice Pays what a plan has earned, less components' shares, to the model's owner.
    /// @dev Anyone may call for an owner without code; a contract (an escrow, a multisig) draws by its own call, so that
    ///      nobody strands money there. The catalogue names the owner at that moment, so unpaid earnings pass with the
    ///      model: a seller may draw first, a buyer prices without them. If the token refuses the owner, this plan's payout
    ///      alone reverts until the model has another. Dust of rounded shares, less than one smallest unit a component,
    ///      waits until the plan earns more.
    /// @param planId the plan
    /// @return amount what was paid; 0, and nothing done, when nothing is due
    function payout(uint64 planId) external returns (uint256 amount);

    /// @notice Pays a component's share of what a composite's plan has earned to the component's owner.
    /// @dev As `payout`, for the component's owner at that moment; neither the composite's owner nor another
    ///      component's can hold it back.
    /// @param planId the composite's plan
    /// @param modelId the component
    /// @return amount what was paid; 0, and nothing done, when nothing is due
    function payoutShare(uint64 planId, uint32 modelId) external returns (uint256 amount);

    // views

    /// @notice The catalogue whose plans are sold here.
    /// @return its address, fixed at deployment
    function catalog() external view returns (address);

    /// @notice The token in which everything is paid.
    /// @return its address, fixed at deployment
    function token() external view returns (address);

    /// @notice What an account holds, and the nonce of its next order.
    /// @param account whose
    /// @return balance what it can withdraw or spend
    /// @return nonce the one that the next order must carry
    function accountOf(address account) external view returns (uint128 balance, uint64 nonce);

    /// @notice What a purchase costs; reverts where `buy` would for the plan's sake.
    /// @dev Asks the catalogue. Holds as long as the plan is not retired.
    /// @param planId the plan
    /// @param cap billable units
    /// @param periods periods
    /// @return total cap × unitPrice + periods × periodPrice
    function quote(uint64 planId, uint40 cap, uint32 periods) external view returns (uint256 total);

    /// @notice A subscription as it stands; zeros, in status None, for an id never given.
    /// @param subscriptionId which
    /// @return its facts and its status now
    function subscription(uint96 subscriptionId) external view returns (Subscription memory);

    /// @notice Where a subscription stands now.
    /// @param subscriptionId which
    /// @return its status
    function statusOf(uint96 subscriptionId) external view returns (Status);

    /// @notice Whether the service may be used: Active, and not lapsed where the plan has periods.
    /// @dev Says nothing of units left below the cap. Gateways ask at `latest`.
    /// @param subscriptionId which
    /// @return whether it may
    function isEntitled(uint96 subscriptionId) external view returns (bool);

    /// @notice What a plan has earned and paid out in its life, components' shares included.
    /// @param planId the plan; zeros for one never sold
    /// @return earned by vouchers settled and time collected
    /// @return paid out of that
    function earningsOf(uint64 planId) external view returns (uint96 earned, uint96 paid);

    /// @notice What `payoutShare` would pay now; reverts for a model that is no component of the plan.
    /// @dev Asks the catalogue for the shares, which never change.
    /// @param planId the composite's plan
    /// @param modelId the component
    /// @return the sum due
    function sharePending(uint64 planId, uint32 modelId) external view returns (uint256);

    /// @notice The last second at which a subscription may be activated.
    /// @param subscriptionId which
    /// @return the second; 0 once activated
    function activationDeadlineOf(uint96 subscriptionId) external view returns (uint64);

    /// @notice The first second at which anyone may release a subscription.
    /// @param subscriptionId which
    /// @return the second; 0 until a release was requested
    function releasableAt(uint96 subscriptionId) external view returns (uint64);

    /// @notice Whether session key and meter key both signed this voucher, the record is in its log, and record.total
    ///         <= voucher.units <= used.
    /// @dev It promises just that. The keys are those of now: after a rotation, a new meter key or the model's
    ///      transfer, vouchers of the former keys prove nothing. Two keys that agree can sign any record, true or not,
    ///      and more than one log. The catalogue is asked for the meter key.
    /// @param record the use
    /// @param proof that the record is in the voucher's log
    /// @param voucher any that both signed, not only a settled one
    /// @param meterSig the meter key's 65 bytes of ECDSA over the same EIP-712 voucher
    /// @return whether all of it holds; false for anything malformed
    function proveUsage(
        UsageRecord calldata record,
        InclusionProof calldata proof,
        Voucher calldata voucher,
        bytes calldata meterSig
    ) external view returns (bool);

    /// @notice What a buyer signs to order.
    /// @param order the order
    /// @return digest by EIP-712
    function hashOrder(Order calldata order) external view returns (bytes32 digest);

    /// @notice What session key and meter key sign to own up to use.
    /// @param subscriptionId whose
    /// @param units cumulative billable units
    /// @param usageRoot of the usage log
    /// @return digest by EIP-712
    function hashVoucher(uint96 subscriptionId, uint40 units, bytes32 usageRoot) external view returns (bytes32 digest);

    /// @notice What the session key signs to activate.
    /// @param subscriptionId which
    /// @param endpointHash hash of the endpoint handed over
    /// @return digest by EIP-712
    function hashActivation(uint96 subscriptionId, bytes32 endpointHash) external view returns (bytes32 digest);
}
