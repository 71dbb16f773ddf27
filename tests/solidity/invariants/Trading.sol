// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Checks} from "./Checks.sol";

/// @title Steps with accounts and orders. One seed is one step; most are valid, each kind of invalid one comes too
abstract contract Trading is Checks {
    struct SignedOrder {
        IMaaSMarket.Order order;
        bytes signature;
    }

    bytes32 private constant REQUEST = keccak256("request");
    bytes32 private constant PERMIT_TYPE =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    SignedOrder[] private _orders;

    /// @dev L1: what the rules allow passes. A token with a vice is free to refuse (see AwkwardTokenInvariants).
    function _must(bool passed, string memory what) internal view {
        if (_isFair()) assertTrue(passed, what);
    }

    /// @dev Whether the token moves what it is told to and says so.
    function _isFair() internal view virtual returns (bool) {
        return true;
    }

    function deposit(uint256 seed) external {
        address payer = _one(people, _dice(seed, 0));
        address account = _dice(seed, 1) % 2 == 0 ? payer : _one(people, _dice(seed, 2));
        uint256 amount = _amount(_dice(seed, 3), token.balanceOf(payer));
        _approve(payer, amount);
        bool passed = _play(payer, abi.encodeCall(IMaaSMarket.deposit, (account, amount)));
        _must(passed, "L1: deposit");
        _approve(payer, 0);
        _count(passed);
    }

    /// @dev Also front-run (somebody else already used the permit) and by the wrong key.
    function depositWithPermit(uint256 seed) external {
        address payer = buyers[1 + _dice(seed, 0) % 2];
        uint256 amount = _amount(_dice(seed, 1), token.balanceOf(payer));
        uint256 mode = _dice(seed, 2) % 8;
        IMaaSMarket.Permit memory permit = _permit(payer, mode == 0 ? buyers[0] : payer, amount);
        if (mode == 1) _frontRun(payer, permit);
        bytes memory call = abi.encodeCall(IMaaSMarket.depositWithPermit, (payer, amount, permit));
        bool passed = _play(payer, call);
        if (mode != 0) _must(passed, "L1: deposit with permit");
        if (mode == 0 && amount != 0) assertFalse(passed, "3: permit of another");
        _approve(payer, 0);
        _count(passed);
    }

    function withdraw(uint256 seed) external {
        address who = _one(people, _dice(seed, 0));
        for (uint256 i = 0; i < people.length && balances[who] == 0; ++i) {
            who = people[(_dice(seed, 0) % people.length + i) % people.length];
        }
        uint256 has = uint256(balances[who]);
        bool tooMuch = _dice(seed, 1) % 8 == 0;
        uint256 amount = tooMuch ? has + 1 + _amount(_dice(seed, 2), FUNDS) : _amount(_dice(seed, 2), has);
        bool passed = _play(who, abi.encodeCall(IMaaSMarket.withdraw, (amount)));
        if (tooMuch) assertFalse(passed, "1: no more than the account has");
        else _must(passed, "L1: withdraw");
        _count(passed);
    }

    function buy(uint256 seed) external {
        _count(_buy(seed, _dice(seed, 19) % 16 == 0) != 0);
    }

    /// @dev A cancelled, altered, late, spent or not yet open order buys nothing; the rest do, with permit or without.
    function buyFor(uint256 seed) external {
        uint256 mode = _dice(seed, 20) % 20;
        SignedOrder memory signed = mode < 2 ? _signedBefore(seed) : _signOrder(seed, 0);
        IMaaSMarket.Order memory order = signed.order;
        if (_dice(seed, 21) % 4 == 0) _signOrder(_dice(seed, 22), 1);
        if (mode == 2) _alter(order, seed);
        if (mode == 3) signed.signature = _signed(_one(sessions, seed), market.hashOrder(order));
        if (mode == 4) _warpTo(uint256(order.deadline) + 1);
        if (mode == 5) _play(order.buyer, abi.encodeCall(IMaaSMarket.cancelOrders, (order.nonce + 1)));
        bool open = mode != 2 && mode != 3 && _isOpen(order);
        IMaaSMarket.Permit memory permit;
        uint256 shortfall = _shortfall(order.buyer, order.total);
        if (mode > 11 && careful[order.buyer]) permit = _permit(order.buyer, order.buyer, shortfall);
        else _approve(order.buyer, shortfall);
        if (mode == 12) _frontRun(order.buyer, permit);
        bytes memory call = abi.encodeCall(IMaaSMarket.buyFor, (order, signed.signature, permit));
        address relayer = _one(people, _dice(seed, 23));
        (bool passed,) = _call(address(market), relayer, open ? order.buyer : relayer, call);
        if (!open) assertFalse(passed, "3: an order that is not open buys nothing");
        else if (mode > 5 && shortfall <= token.balanceOf(order.buyer)) _must(passed, "L1: open order");
        _approve(order.buyer, 0);
        _count(passed);
    }

    function cancelOrders(uint256 seed) external {
        address who = _one(buyers, _dice(seed, 0));
        bool forward = nonces[who] == 0 || _dice(seed, 1) % 8 != 0;
        uint64 nonce = forward ? nonces[who] + 1 + uint64(_dice(seed, 2) % 3) : uint64(_dice(seed, 2) % nonces[who]);
        bool passed = _play(who, abi.encodeCall(IMaaSMarket.cancelOrders, (nonce)));
        assertEq(passed, forward, "5: cancelling raises the nonce");
        _count(passed);
    }

    /// @return id zero where it was refused
    function _buy(uint256 seed, bool bad) internal returns (uint96 id) {
        IMaaSMarket.Order memory wish = _wish(seed);
        if (bad) _spoil(wish, seed);
        uint256 shortfall = _shortfall(wish.buyer, wish.total);
        _approve(wish.buyer, shortfall);
        bytes memory call =
            abi.encodeCall(IMaaSMarket.buy, (wish.planId, wish.signer, wish.cap, wish.periods, wish.requirementsHash));
        bool passed = _play(wish.buyer, call);
        if (bad) assertFalse(passed, "5: nothing is sold but by its plan");
        else if (shortfall <= token.balanceOf(wish.buyer) || passed) _must(passed, "L1: buy");
        _approve(wish.buyer, 0);
        return passed ? ids[ids.length - 1] : 0;
    }

    /// @dev What the plan does not sell: nothing, periods that it has not, another's plan, no signer, a contract's.
    function _spoil(IMaaSMarket.Order memory wish, uint256 seed) private view {
        uint256 kind = _dice(seed, 18) % 4;
        if (kind == 0) (wish.cap, wish.periods) = (0, 0);
        else if (kind == 1) wish.signer = address(0);
        else if (kind == 2) wish.signer = address(token);
        else wish.planId = uint64(_dice(seed, 17)) | uint64(1) << 63;
    }

    function _wish(uint256 seed) private view returns (IMaaSMarket.Order memory wish) {
        wish.buyer = _one(buyers, _dice(seed, 1));
        wish.planId = _planOnSale(_dice(seed, 2));
        wish.signer = _one(sessions, _dice(seed, 3));
        wish.requirementsHash = REQUEST;
        IModelCatalog.PlanTerms storage terms = planLines[wish.planId].terms;
        if (terms.period != 0) wish.periods = _periods(terms, _dice(seed, 4));
        uint256 rest = MOST - uint256(wish.periods) * terms.periodPrice;
        uint256 most = terms.unitPrice == 0 ? type(uint40).max : rest / terms.unitPrice;
        wish.cap = uint40(_amount(_dice(seed, 5), most < type(uint40).max ? most : type(uint40).max));
        if (wish.cap == 0 && wish.periods == 0) wish.cap = 1;
        wish.total = _priceOf(wish);
        wish.deadline = uint64(nowAt() + 1 hours);
        wish.nonce = nonces[wish.buyer];
    }

    /// @dev A month or so; now and then all that fits before the year 2106 or into the widest price.
    function _periods(IModelCatalog.PlanTerms storage terms, uint256 dice) private view returns (uint32) {
        uint256 most = (type(uint32).max - nowAt() - terms.activationWindow) / terms.period;
        if (most * terms.periodPrice > MOST) most = MOST / terms.periodPrice;
        if (most <= 1) return uint32(most);
        uint256 usual = 1 + 30 days / terms.period;
        return uint32(dice % 16 == 0 || usual > most ? most : _bound(dice >> 8, 1, usual));
    }

    function _signOrder(uint256 seed, uint64 ahead) private returns (SignedOrder memory signed) {
        signed.order = _wish(seed);
        signed.order.nonce += ahead;
        signed.signature = _signed(signed.order.buyer, market.hashOrder(signed.order));
        _orders.push(signed);
    }

    function _signedBefore(uint256 seed) private returns (SignedOrder memory) {
        if (_orders.length == 0) return _signOrder(seed, 0);
        uint256 back = _dice(seed, 24) % (_orders.length < 4 ? _orders.length : 4);
        return _orders[_orders.length - 1 - back];
    }

    function _alter(IMaaSMarket.Order memory order, uint256 seed) private view {
        uint256 field = _dice(seed, 25) % 8;
        if (field == 0) order.signer = order.signer == sessions[0] ? sessions[1] : sessions[0];
        else if (field == 1) order.buyer = order.buyer == buyers[0] ? buyers[1] : buyers[0];
        else if (field == 2) order.cap ^= 1;
        else if (field == 3) order.periods ^= 1;
        else if (field == 4) order.requirementsHash = bytes32(seed);
        else if (field == 5) order.deadline += 1;
        else if (field == 6) order.nonce += 1;
        else order.total += 1;
        if (field > 0 && field < 4) (order.total, order.nonce) = (_priceOf(order), nonces[order.buyer]);
    }

    function _isOpen(IMaaSMarket.Order memory order) private view returns (bool) {
        return order.nonce == nonces[order.buyer] && nowAt() <= order.deadline && !planLines[order.planId].retired;
    }

    function _priceOf(IMaaSMarket.Order memory order) private view returns (uint256) {
        IModelCatalog.PlanTerms storage terms = planLines[order.planId].terms;
        return uint256(order.cap) * terms.unitPrice + uint256(order.periods) * terms.periodPrice;
    }

    function _shortfall(address who, uint256 total) internal view returns (uint256) {
        return uint256(balances[who]) < total ? total - uint256(balances[who]) : 0;
    }

    function _approve(address payer, uint256 amount) internal {
        if (!careful[payer]) return;
        vm.prank(payer);
        token.approve(address(market), amount);
    }

    function _permit(address owner, address signer, uint256 value)
        private
        view
        returns (IMaaSMarket.Permit memory permit)
    {
        (permit.value, permit.deadline) = (value, nowAt());
        bytes32 content =
            keccak256(abi.encode(PERMIT_TYPE, owner, address(market), value, token.nonces(owner), permit.deadline));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), content));
        (permit.v, permit.r, permit.s) = vm.sign(keyOf[signer], digest);
    }

    function _frontRun(address owner, IMaaSMarket.Permit memory permit) private {
        try token.permit(owner, address(market), permit.value, permit.deadline, permit.v, permit.r, permit.s) {}
            catch {}
    }

    function _planOnSale(uint256 dice) internal view returns (uint64 planId) {
        for (uint256 i = 0; i < plans.length; ++i) {
            planId = plans[(dice % plans.length + i) % plans.length];
            if (!planLines[planId].retired) return planId;
        }
    }

    function _one(address[] storage some, uint256 dice) internal view returns (address) {
        return some[dice % some.length];
    }
}
