// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IMaaSMarket} from "./interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "./interfaces/IModelCatalog.sol";
import {Money} from "./libraries/Money.sol";
import {SignedStructs} from "./libraries/SignedStructs.sol";
import {Books} from "./market/Books.sol";
import {Settlement} from "./market/Settlement.sol";

// slither-disable-start timestamp -- a block's proposer can shift it by seconds: their price, no more
/// @title The market: buying, and a subscription's life
/// @notice Every subscription is fully funded when bought, so no later collection can fail.
contract MaaSMarket is Settlement {
    constructor(address catalog_, address token_) Books(catalog_, token_) {}

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
    function buyFor(Order calldata order, bytes calldata signature, Permit calldata permit)
        external
        nonReentrant
        returns (uint96 subscriptionId)
    {
        // slither-disable-next-line reentrancy-benign -- all is read after the call, and undone if refused
        _permit(order.buyer, permit);
        require(block.timestamp <= order.deadline, OrderExpired(order.deadline, block.timestamp));
        uint64 nonce = _accounts[order.buyer].nonce;
        require(order.nonce == nonce, WrongNonce(nonce, order.nonce));
        (Sales memory sales, uint256 total) = _offer(order.planId, order.cap, order.periods);
        require(order.total == total, WrongTotal(total, order.total));
        require(_isSignedBy(order.buyer, hashOrder(order), signature), BadSignature(order.buyer));
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
        Earnings storage row = _earnings[planId];
        if (row.unitPrice == 0) (row.unitPrice, row.shared) = (sales.unitPrice, sales.shared);
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
        uint256 amount = Money.reserved(hot.cap, sales.unitPrice, slow.paidThrough, sales.periodPrice);
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
        if (amount == 0) _requireBuyer(subscriptionId);
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
        uint256 room = _roomOf(planId);
        if (due > room) (due, unused) = (room, unused + due - room);
        uint256 opensAt = Math.min(block.timestamp + _releaseWindowOf(planId), type(uint32).max);
        (slow.paidThrough, slow.mark) = (through, uint32(opensAt));
        _hot[subscriptionId].flags = ACTIVATED | REQUESTED;
        _earn(planId, due);
        _credit(slow.buyer, unused);
        emit ReleaseRequested(subscriptionId, due, unused, uint64(opensAt));
    }

    /// @inheritdoc IMaaSMarket
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

    // ------------------------------------------------------------------------------------------------------- views

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
    function activationDeadlineOf(uint96 subscriptionId) external view returns (uint64) {
        return _hot[subscriptionId].flags & ACTIVATED == 0 ? _slow[subscriptionId].mark : 0;
    }

    /// @inheritdoc IMaaSMarket
    function releasableAt(uint96 subscriptionId) external view returns (uint64) {
        return _hot[subscriptionId].flags & REQUESTED != 0 ? _slow[subscriptionId].mark : 0;
    }

    /// @inheritdoc IMaaSMarket
    function hashOrder(Order calldata order) public view returns (bytes32 digest) {
        return _hashTypedDataV4(SignedStructs.hashOrder(order));
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
        total = Money.reserved(cap, sales.unitPrice, periods, sales.periodPrice);
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
        IModelCatalog.Offer memory offer = CATALOG.offer(planId);
        require(offer.onSale, PlanIsRetired(planId));
        (sales.unitPrice, sales.periodPrice) = (offer.unitPrice, offer.periodPrice);
        (sales.period, sales.activationWindow) = (offer.period, uint24(offer.activationWindow));
        sales.shared = offer.shared;
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

    function _releaseWindowOf(uint64 planId) private view returns (uint32) {
        return CATALOG.offer(planId).releaseWindow;
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
        // slither-disable-next-line unused-return -- what is left out is the failure's detail
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (failure == ECDSA.RecoverError.NoError && signer == account) return true;
        return
            account.code.length != 0 && SignatureChecker.isValidERC1271SignatureNowCalldata(account, digest, signature);
    }

    function _requireStatus(Status expected, Status actual) private pure {
        require(expected == actual, WrongStatus(expected, actual));
    }
}
// slither-disable-end timestamp
