// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IMaaSMarket} from "./interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "./interfaces/IModelCatalog.sol";
import {SignedStructs} from "./libraries/SignedStructs.sol";
import {UsageLog} from "./libraries/UsageLog.sol";
import {Accounts} from "./market/Accounts.sol";

/// @title Subscriptions, vouchers, settlement, release and payout
/// @dev Every subscription is fully funded when bought, so no later collection can fail. Facts are stored, status is
///      computed. All roundings of time are cumulative from activation: pieces add up to exactly what was prepaid.
contract MaaSMarket is IMaaSMarket, Accounts, EIP712 {
    /// @dev One slot: all that settlement reads and writes of a subscription.
    struct Hot {
        address signer;
        uint40 cap;
        uint40 used;
        uint16 flags;
    }

    /// @dev One slot, read by life: before activation `since` is 0, `paidThrough` counts the prepaid periods and `mark` is
    ///      the activation deadline; then `mark` is the second through which time is collected; after a release request
    ///      time is collected through `paidThrough` and `mark` is when anyone may release.
    struct Slow {
        address buyer;
        uint32 since;
        uint32 paidThrough;
        uint32 mark;
    }

    /// @dev One slot: what settlement credits. The price is pinned by the plan's first activation.
    struct Earnings {
        uint64 unitPrice;
        uint96 earned;
        uint96 paid;
    }

    /// @dev One slot: what buying needs of a plan, pinned by its first purchase (a plan never changes).
    struct Sales {
        uint32 sequence;
        uint64 unitPrice;
        uint96 periodPrice;
        uint32 period;
        uint32 activationWindow;
    }

    struct Proposal {
        address signer;
        uint64 confirmableAt;
    }

    uint16 private constant ACTIVATED = 1;
    uint16 private constant REQUESTED = 2;
    uint16 private constant CLOSED = 4;
    uint256 private constant WHOLE_BPS = 10_000;

    IModelCatalog private immutable CATALOG;

    mapping(uint96 subscriptionId => Hot) private _hot;
    mapping(uint96 subscriptionId => Slow) private _slow;
    mapping(uint64 planId => Earnings) private _earnings;
    mapping(uint64 planId => Sales) private _sales;
    mapping(uint96 subscriptionId => Proposal) private _proposals;
    /// @dev What each owner of a composite plan's revenue has drawn, the composite itself under its own model id.
    mapping(uint64 planId => mapping(uint32 modelId => uint256)) private _drawn;

    constructor(address catalog_, address token_) Accounts(token_) EIP712("Slicing4Meta MaaSMarket", "1") {
        CATALOG = IModelCatalog(catalog_);
    }

    // ------------------------------------------------------------------------------------------------------ buying

    /// @inheritdoc IMaaSMarket
    function buy(uint64 planId, address signer, uint40 cap, uint32 periods, bytes32 requirementsHash)
        external
        nonReentrant
        returns (uint96 subscriptionId)
    {
        (Sales memory sales, uint256 total) = _offer(planId, cap, periods);
        return _subscribe(msg.sender, planId, sales, signer, cap, periods, requirementsHash, total);
    }

    /// @inheritdoc IMaaSMarket
    /// @dev The relayer is trusted with nothing: the buyer signed every field, and only the buyer's money moves.
    function buyFor(Order calldata order, bytes calldata signature, Permit calldata permit)
        external
        nonReentrant
        returns (uint96 subscriptionId)
    {
        require(block.timestamp <= order.deadline, OrderExpired(order.deadline, block.timestamp));
        uint64 nonce = _accounts[order.buyer].nonce;
        require(order.nonce == nonce, WrongNonce(nonce, order.nonce));
        (Sales memory sales, uint256 total) = _offer(order.planId, order.cap, order.periods);
        require(order.total == total, WrongTotal(total, order.total));
        require(_isSignedBy(order.buyer, hashOrder(order), signature), BadSignature(order.buyer));
        _permit(order.buyer, permit);
        return _subscribe(
            order.buyer, order.planId, sales, order.signer, order.cap, order.periods, order.requirementsHash, total
        );
    }

    // ------------------------------------------------------------------------------------- a subscription's life

    /// @inheritdoc IMaaSMarket
    function activate(uint96 subscriptionId, bytes32 endpointHash, bytes32 r, bytes32 vs) external {
        Slow storage slow = _slow[subscriptionId];
        Hot storage hot = _hot[subscriptionId];
        Status status = statusOf(subscriptionId);
        require(status != Status.Refundable, TooLate(slow.mark, block.timestamp));
        _requireStatus(Status.Purchased, status);
        require(_recover(hashActivation(subscriptionId, endpointHash), r, vs) == hot.signer, BadSignature(hot.signer));
        uint64 planId = _planOf(subscriptionId);
        Sales storage sales = _sales[planId];
        uint32 since = uint32(block.timestamp);
        uint32 paidThrough = since + slow.paidThrough * sales.period;
        (slow.since, slow.paidThrough, slow.mark) = (since, paidThrough, since);
        hot.flags = ACTIVATED;
        if (_earnings[planId].unitPrice == 0) _earnings[planId].unitPrice = sales.unitPrice;
        emit Activated(subscriptionId, endpointHash, since, paidThrough);
    }

    /// @inheritdoc IMaaSMarket
    function refund(uint96 subscriptionId) external {
        Slow storage slow = _slow[subscriptionId];
        Status status = statusOf(subscriptionId);
        require(status != Status.Purchased, TooEarly(uint256(slow.mark) + 1, block.timestamp));
        _requireStatus(Status.Refundable, status);
        Sales storage sales = _sales[_planOf(subscriptionId)];
        Hot storage hot = _hot[subscriptionId];
        uint256 amount = uint256(hot.cap) * sales.unitPrice + uint256(slow.paidThrough) * sales.periodPrice;
        hot.flags = CLOSED;
        _credit(slow.buyer, amount);
        emit Refunded(subscriptionId, slow.buyer, amount);
    }

    /// @inheritdoc IMaaSMarket
    function raiseCap(uint96 subscriptionId, uint40 addedUnits) external nonReentrant {
        _requireStatus(Status.Active, statusOf(subscriptionId));
        require(addedUnits != 0, NothingBought());
        Hot storage hot = _hot[subscriptionId];
        uint256 cap = uint256(hot.cap) + addedUnits;
        require(cap <= type(uint40).max, Overflow("cap"));
        uint256 amount = uint256(addedUnits) * _sales[_planOf(subscriptionId)].unitPrice;
        hot.cap = uint40(cap);
        uint256 shortfall = _debit(_accounts[msg.sender], amount);
        emit CapRaised(subscriptionId, msg.sender, uint40(cap), amount);
        _pullShortfall(msg.sender, shortfall);
    }

    /// @inheritdoc IMaaSMarket
    function renew(uint96 subscriptionId, uint32 periods) external nonReentrant {
        _requireStatus(Status.Active, statusOf(subscriptionId));
        require(periods != 0, NothingBought());
        uint64 planId = _planOf(subscriptionId);
        Sales storage sales = _sales[planId];
        require(sales.period != 0, NoPeriods(planId));
        Slow storage slow = _slow[subscriptionId];
        require(block.timestamp <= slow.paidThrough, Lapsed(slow.paidThrough));
        uint256 paidThrough = slow.paidThrough + uint256(periods) * sales.period;
        require(paidThrough <= type(uint32).max, Overflow("paidThrough"));
        uint256 amount = uint256(periods) * sales.periodPrice;
        slow.paidThrough = uint32(paidThrough);
        uint256 shortfall = _debit(_accounts[msg.sender], amount);
        emit Renewed(subscriptionId, msg.sender, periods, uint32(paidThrough), amount);
        _pullShortfall(msg.sender, shortfall);
    }

    /// @inheritdoc IMaaSMarket
    function proposeSigner(uint96 subscriptionId, address signer) external {
        _requireBuyer(subscriptionId);
        _requireStatus(Status.Active, statusOf(subscriptionId));
        _requireSigner(signer);
        uint64 confirmableAt = uint64(block.timestamp) + _releaseWindowOf(_planOf(subscriptionId));
        _proposals[subscriptionId] = Proposal({signer: signer, confirmableAt: confirmableAt});
        emit SignerProposed(subscriptionId, signer, confirmableAt);
    }

    /// @inheritdoc IMaaSMarket
    function confirmSigner(uint96 subscriptionId) external {
        _requireStatus(Status.Active, statusOf(subscriptionId));
        Proposal memory proposal = _proposals[subscriptionId];
        require(proposal.signer != address(0), NothingProposed(subscriptionId));
        require(block.timestamp >= proposal.confirmableAt, TooEarly(proposal.confirmableAt, block.timestamp));
        delete _proposals[subscriptionId];
        _hot[subscriptionId].signer = proposal.signer;
        emit SignerConfirmed(subscriptionId, proposal.signer);
    }

    /// @inheritdoc IMaaSMarket
    function requestRelease(uint96 subscriptionId) external {
        _requireBuyer(subscriptionId);
        _requireStatus(Status.Active, statusOf(subscriptionId));
        uint64 planId = _planOf(subscriptionId);
        Slow storage slow = _slow[subscriptionId];
        (uint256 due, uint32 through) = _timeDue(planId, slow);
        uint256 unused = _timeCost(planId, slow.since, slow.paidThrough) - _timeCost(planId, slow.since, through);
        uint64 opensAt = uint64(block.timestamp) + _releaseWindowOf(planId);
        (slow.paidThrough, slow.mark) = (through, uint32(opensAt));
        _hot[subscriptionId].flags = ACTIVATED | REQUESTED;
        _earn(planId, due);
        _credit(slow.buyer, unused);
        emit ReleaseRequested(subscriptionId, due, unused, opensAt);
    }

    /// @inheritdoc IMaaSMarket
    /// @dev The model's owner may release at once after a request: only its own unsettled vouchers are at stake.
    function release(uint96 subscriptionId) external {
        _requireStatus(Status.Releasing, statusOf(subscriptionId));
        Slow storage slow = _slow[subscriptionId];
        uint64 planId = _planOf(subscriptionId);
        require(
            block.timestamp >= slow.mark || msg.sender == _ownerOf(_modelOf(planId)),
            TooEarly(slow.mark, block.timestamp)
        );
        Hot storage hot = _hot[subscriptionId];
        uint256 rest = uint256(hot.cap - hot.used) * _sales[planId].unitPrice;
        hot.flags = ACTIVATED | REQUESTED | CLOSED;
        _credit(slow.buyer, rest);
        emit Released(subscriptionId, slow.buyer, rest);
    }

    // -------------------------------------------------------------------------------------------------- settlement

    /// @inheritdoc IMaaSMarket
    function settle(Voucher[] calldata vouchers) external {
        bytes32 domain = _domainSeparatorV4();
        uint64 planId = 0;
        uint256 unitPrice = 0;
        uint256 credit = 0;
        for (uint256 i = 0; i < vouchers.length; ++i) {
            uint64 next = _planOf(vouchers[i].subscriptionId);
            if (next != planId) {
                _earn(planId, credit);
                (planId, unitPrice, credit) = (next, _earnings[next].unitPrice, 0);
            }
            credit += _settle(vouchers[i], unitPrice, domain);
        }
        _earn(planId, credit);
    }

    /// @inheritdoc IMaaSMarket
    function collectTime(uint96[] calldata subscriptionIds) external {
        for (uint256 i = 0; i < subscriptionIds.length; ++i) {
            _collectTime(subscriptionIds[i]);
        }
    }

    /// @inheritdoc IMaaSMarket
    /// @dev Anyone may call; the model's owner at that moment is paid.
    function payout(uint64 planId) external nonReentrant returns (uint256 amount) {
        Earnings storage row = _earnings[planId];
        uint32 modelId = _modelOf(planId);
        address owner = _ownerOf(modelId);
        IModelCatalog.Share[] memory shares = CATALOG.shares(planId);
        if (shares.length == 0) {
            amount = row.earned - row.paid;
        } else {
            amount = row.earned - _sharesOf(row.earned, shares) - _drawn[planId][modelId];
            _drawn[planId][modelId] += amount;
        }
        if (amount == 0) return 0;
        row.paid += uint96(amount);
        emit PaidOut(planId, owner, amount);
        _push(owner, amount);
    }

    /// @inheritdoc IMaaSMarket
    /// @dev Anyone may call; the component's owner at that moment is paid.
    function payoutShare(uint64 planId, uint32 modelId) external nonReentrant returns (uint256 amount) {
        amount = sharePending(planId, modelId);
        if (amount == 0) return 0;
        address owner = _ownerOf(modelId);
        _drawn[planId][modelId] += amount;
        _earnings[planId].paid += uint96(amount);
        emit SharePaidOut(planId, modelId, owner, amount);
        _push(owner, amount);
    }

    // ------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IMaaSMarket
    function catalog() external view returns (address) {
        return address(CATALOG);
    }

    /// @inheritdoc IMaaSMarket
    function quote(uint64 planId, uint40 cap, uint32 periods) external view returns (uint256 total) {
        (, total) = _offer(planId, cap, periods);
    }

    /// @inheritdoc IMaaSMarket
    function subscription(uint96 subscriptionId) external view returns (Subscription memory) {
        Hot storage hot = _hot[subscriptionId];
        Slow storage slow = _slow[subscriptionId];
        bool activated = hot.flags & ACTIVATED != 0;
        uint32 paidThrough = activated ? slow.paidThrough : 0;
        return Subscription({
            buyer: slow.buyer,
            signer: hot.signer,
            cap: hot.cap,
            used: hot.used,
            since: slow.since,
            paidThrough: paidThrough,
            collectedThrough: activated && hot.flags & REQUESTED == 0 ? slow.mark : paidThrough,
            status: statusOf(subscriptionId)
        });
    }

    /// @inheritdoc IMaaSMarket
    function isEntitled(uint96 subscriptionId) external view returns (bool) {
        return statusOf(subscriptionId) == Status.Active
            && (_sales[_planOf(subscriptionId)].period == 0 || block.timestamp <= _slow[subscriptionId].paidThrough);
    }

    /// @inheritdoc IMaaSMarket
    function earningsOf(uint64 planId) external view returns (uint96 earned, uint96 paid) {
        return (_earnings[planId].earned, _earnings[planId].paid);
    }

    /// @inheritdoc IMaaSMarket
    /// @dev 0 once activated.
    function activationDeadlineOf(uint96 subscriptionId) external view returns (uint64) {
        return _hot[subscriptionId].flags & ACTIVATED == 0 ? _slow[subscriptionId].mark : 0;
    }

    /// @inheritdoc IMaaSMarket
    /// @dev 0 until a release was requested.
    function releasableAt(uint96 subscriptionId) external view returns (uint64) {
        return _hot[subscriptionId].flags & REQUESTED != 0 ? _slow[subscriptionId].mark : 0;
    }

    /// @inheritdoc IMaaSMarket
    function proveUsage(
        UsageRecord calldata record,
        InclusionProof calldata proof,
        Voucher calldata voucher,
        bytes calldata meterSig
    ) external view returns (bool) {
        Hot storage hot = _hot[voucher.subscriptionId];
        if (record.subscriptionId != voucher.subscriptionId || hot.signer == address(0)) return false;
        if (record.total > voucher.units || voucher.units > hot.used) return false;
        bytes32 digest = hashVoucher(voucher.subscriptionId, voucher.units, voucher.usageRoot);
        if (_recover(digest, voucher.r, voucher.vs) != hot.signer) return false;
        address meterKey = CATALOG.meterKeyOf(_modelOf(_planOf(voucher.subscriptionId)));
        (address meter,,) = ECDSA.tryRecoverCalldata(digest, meterSig);
        if (meterKey == address(0) || meter != meterKey) return false;
        (bool wellFormed, bytes32 root) = UsageLog.climb(UsageLog.leafOf(record), record.seq, proof.size, proof.path);
        return wellFormed && UsageLog.usageRootOf(proof.size, root) == voucher.usageRoot;
    }

    /// @inheritdoc IMaaSMarket
    function statusOf(uint96 subscriptionId) public view returns (Status) {
        uint16 flags = _hot[subscriptionId].flags;
        if (flags & CLOSED != 0) return flags & ACTIVATED != 0 ? Status.Released : Status.Refunded;
        if (flags & REQUESTED != 0) return Status.Releasing;
        if (flags & ACTIVATED != 0) return Status.Active;
        Slow storage slow = _slow[subscriptionId];
        if (slow.buyer == address(0)) return Status.None;
        return block.timestamp <= slow.mark ? Status.Purchased : Status.Refundable;
    }

    /// @inheritdoc IMaaSMarket
    function sharePending(uint64 planId, uint32 modelId) public view returns (uint256) {
        IModelCatalog.Share[] memory shares = CATALOG.shares(planId);
        for (uint256 i = 0; i < shares.length; ++i) {
            if (shares[i].modelId != modelId) continue;
            return _shareDown(_earnings[planId].earned, shares[i].bps) - _drawn[planId][modelId];
        }
        revert NotEntitledToShare(planId, modelId);
    }

    /// @inheritdoc IMaaSMarket
    function hashOrder(Order calldata order) public view returns (bytes32 digest) {
        return _hashTypedDataV4(SignedStructs.hashOrder(order));
    }

    /// @inheritdoc IMaaSMarket
    function hashVoucher(uint96 subscriptionId, uint40 units, bytes32 usageRoot) public view returns (bytes32 digest) {
        return _hashTypedDataV4(SignedStructs.hashVoucher(subscriptionId, units, usageRoot));
    }

    /// @inheritdoc IMaaSMarket
    function hashActivation(uint96 subscriptionId, bytes32 endpointHash) public view returns (bytes32 digest) {
        return _hashTypedDataV4(SignedStructs.hashActivation(subscriptionId, endpointHash));
    }

    // ----------------------------------------------------------------------------------------------------- private

    /// @dev What a purchase on these terms costs now; reverts where it could not be bought.
    function _offer(uint64 planId, uint40 cap, uint32 periods)
        private
        view
        returns (Sales memory sales, uint256 total)
    {
        sales = _salesOf(planId);
        require(periods == 0 || sales.period != 0, NoPeriods(planId));
        require(periods != 0 || (sales.period == 0 && cap != 0), NothingBought());
        total = uint256(cap) * sales.unitPrice + uint256(periods) * sales.periodPrice;
        require(total <= type(uint96).max, Overflow("total"));
        uint256 latestEnd = block.timestamp + sales.activationWindow + uint256(periods) * sales.period;
        require(latestEnd <= type(uint32).max, Overflow("paidThrough"));
    }

    /// @dev The plan's pinned row, or the one that its first purchase will pin.
    function _salesOf(uint64 planId) private view returns (Sales memory sales) {
        sales = _sales[planId];
        if (sales.activationWindow != 0) {
            require(CATALOG.isOnSale(planId), PlanIsRetired(planId));
            return sales;
        }
        (IModelCatalog.PlanTerms memory terms, bool retired) = CATALOG.plan(planId);
        require(!retired, PlanIsRetired(planId));
        (sales.unitPrice, sales.periodPrice) = (terms.unitPrice, terms.periodPrice);
        (sales.period, sales.activationWindow) = (terms.period, terms.activationWindow);
    }

    /// @dev Takes one nonce, also of a direct purchase: no order signed before it can buy the same thing twice.
    function _subscribe(
        address buyer,
        uint64 planId,
        Sales memory sales,
        address signer,
        uint40 cap,
        uint32 periods,
        bytes32 requirementsHash,
        uint256 total
    ) private returns (uint96 subscriptionId) {
        _requireSigner(signer);
        sales.sequence += 1;
        _sales[planId] = sales;
        subscriptionId = (uint96(planId) << 32) | sales.sequence;
        uint32 deadline = uint32(block.timestamp) + sales.activationWindow;
        _hot[subscriptionId] = Hot({signer: signer, cap: cap, used: 0, flags: 0});
        _slow[subscriptionId] = Slow({buyer: buyer, since: 0, paidThrough: periods, mark: deadline});
        Account storage account = _accounts[buyer];
        account.nonce += 1;
        uint256 shortfall = _debit(account, total);
        emit Subscribed(subscriptionId, buyer, signer, cap, periods, total, deadline, requirementsHash);
        _pullShortfall(buyer, shortfall);
    }

    /// @dev Applies one voucher or says why not; returns what it earns. Reads and writes the subscription's slot once.
    function _settle(Voucher calldata voucher, uint256 unitPrice, bytes32 domain) private returns (uint256 amount) {
        uint96 id = voucher.subscriptionId;
        uint40 units = voucher.units;
        Hot storage hot = _hot[id];
        (uint256 word, address signer, uint40 cap, uint40 used, uint16 flags) = _unpacked(hot);
        if (signer == address(0)) return _skip(id, SkipReason.Unknown);
        if (flags & (ACTIVATED | CLOSED) != ACTIVATED) return _skip(id, SkipReason.NotActive);
        if (units <= used) return _skip(id, SkipReason.Stale);
        if (units > cap) return _skip(id, SkipReason.OverCap);
        bytes32 digest = SignedStructs.digestVoucher(domain, id, units, voucher.usageRoot);
        if (_recover(digest, voucher.r, voucher.vs) != signer) return _skip(id, SkipReason.BadSignature);
        amount = (units - used) * unitPrice;
        _writeUsed(hot, word, units);
        emit Settled(id, units, amount, voucher.usageRoot);
    }

    function _collectTime(uint96 subscriptionId) private {
        Status status = statusOf(subscriptionId);
        if (status != Status.Active) {
            _skip(subscriptionId, status == Status.None ? SkipReason.Unknown : SkipReason.NotActive);
            return;
        }
        uint64 planId = _planOf(subscriptionId);
        Slow storage slow = _slow[subscriptionId];
        (uint256 due, uint32 through) = _timeDue(planId, slow);
        if (due == 0) {
            _skip(subscriptionId, SkipReason.Stale);
            return;
        }
        slow.mark = through;
        _earn(planId, due);
        emit TimeCollected(subscriptionId, due, through);
    }

    function _skip(uint96 subscriptionId, SkipReason reason) private returns (uint256 nothing) {
        emit Skipped(subscriptionId, reason);
        return 0;
    }

    function _earn(uint64 planId, uint256 amount) private {
        if (amount == 0) return;
        uint256 earned = _earnings[planId].earned + amount;
        require(earned <= type(uint96).max, Overflow("earned"));
        _earnings[planId].earned = uint96(earned);
    }

    /// @dev Time elapsed, paid for and not yet collected: its cost, and the second through which it runs.
    function _timeDue(uint64 planId, Slow storage slow) private view returns (uint256 due, uint32 through) {
        (uint32 since, uint32 paidThrough, uint32 mark) = (slow.since, slow.paidThrough, slow.mark);
        through = block.timestamp < paidThrough ? uint32(block.timestamp) : paidThrough;
        due = _timeCost(planId, since, through) - _timeCost(planId, since, mark);
    }

    /// @dev Cost of the time from `since` to `through`, rounded down; whole periods cost exactly their price.
    function _timeCost(uint64 planId, uint32 since, uint32 through) private view returns (uint256) {
        Sales storage sales = _sales[planId];
        if (sales.period == 0) return 0;
        return uint256(sales.periodPrice) * (through - since) / sales.period;
    }

    function _releaseWindowOf(uint64 planId) private view returns (uint32) {
        (IModelCatalog.PlanTerms memory terms,) = CATALOG.plan(planId);
        return terms.releaseWindow;
    }

    function _ownerOf(uint32 modelId) private view returns (address) {
        return IERC721(address(CATALOG)).ownerOf(modelId);
    }

    function _requireBuyer(uint96 subscriptionId) private view {
        address buyer = _slow[subscriptionId].buyer;
        require(buyer == msg.sender, NotBuyer(buyer, msg.sender));
    }

    /// @dev The session key signs with its own key; a contract cannot.
    function _requireSigner(address signer) private view {
        require(signer != address(0), ZeroSigner());
        require(signer.code.length == 0, SignerHasCode(signer));
    }

    /// @dev ECDSA first, so that an account that has both a key and code can use its key; then ERC-1271.
    function _isSignedBy(address account, bytes32 digest, bytes calldata signature) private view returns (bool) {
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && signer == account) return true;
        return
            account.code.length != 0 && SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature);
    }

    /// @dev The fields of a `Hot` row by one read: signer in the low 160 bits, then cap, used, flags.
    function _unpacked(Hot storage hot)
        private
        view
        returns (uint256 word, address signer, uint40 cap, uint40 used, uint16 flags)
    {
        assembly ("memory-safe") {
            word := sload(hot.slot)
        }
        return (word, address(uint160(word)), uint40(word >> 160), uint40(word >> 200), uint16(word >> 240));
    }

    /// @dev Replaces `used` in the row that was read as `word`.
    function _writeUsed(Hot storage hot, uint256 word, uint40 used) private {
        word = word & ~(uint256(type(uint40).max) << 200) | uint256(used) << 200;
        assembly ("memory-safe") {
            sstore(hot.slot, word)
        }
    }

    function _requireStatus(Status expected, Status actual) private pure {
        require(expected == actual, WrongStatus(expected, actual));
    }

    /// @dev The zero address for a malformed signature, which no session key is.
    function _recover(bytes32 digest, bytes32 r, bytes32 vs) private pure returns (address signer) {
        (signer,,) = ECDSA.tryRecover(digest, r, vs);
    }

    function _sharesOf(uint256 earned, IModelCatalog.Share[] memory shares) private pure returns (uint256 together) {
        for (uint256 i = 0; i < shares.length; ++i) {
            together += _shareDown(earned, shares[i].bps);
        }
    }

    /// @dev Rounded down; the dust is the composite's.
    function _shareDown(uint256 earned, uint16 bps) private pure returns (uint256) {
        return earned * bps / WHOLE_BPS;
    }

    function _planOf(uint96 subscriptionId) private pure returns (uint64) {
        return uint64(subscriptionId >> 32);
    }

    function _modelOf(uint64 planId) private pure returns (uint32) {
        return uint32(planId >> 32);
    }
}
