// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Unit} from "../Unit.sol";

/// @dev A plain token, without permits, of which there is more than any of the market's books can hold.
contract AbundantToken is ERC20 {
    constructor(address to) ERC20("Abundant", "ABU") {
        _mint(to, 1 << 140);
    }
}

/// @title What the market's unit tests share: its books, its seven statuses, its skips, a plan at its limits
abstract contract MarketUnit is Unit {
    /// @dev Width of what one plan can earn in its life.
    uint256 internal constant EARNABLE_BITS = 88;
    uint64 internal constant DEAR_UNIT = type(uint64).max;
    uint96 internal constant DEAR_PERIOD = 1 << 40;

    address internal friend = makeAddr("friend");
    address internal anyone = makeAddr("anyone");

    function books() internal view override returns (bytes32) {
        bytes32 money = keccak256(abi.encode(purse(buyer), purse(friend), purse(provider), tokens(address(market))));
        bytes32 plans = keccak256(abi.encode(earnings(planId), earnings(unitPlan), earnings(compositePlan)));
        (uint96 timed, uint96 untimed) = (uint96(planId) << 32, uint96(unitPlan) << 32);
        bytes32 timedRows = keccak256(abi.encode(row(timed | 1), row(timed | 2), row(timed | 3)));
        return keccak256(abi.encode(money, plans, timedRows, row(untimed | 1), row(untimed | 2)));
    }

    function purse(address account) private view returns (bytes32) {
        (uint128 amount, uint64 nonce) = market.accountOf(account);
        return keccak256(abi.encode(amount, nonce, tokens(account)));
    }

    function earnings(uint64 plan) private view returns (bytes32) {
        (uint96 all, uint96 paid) = market.earningsOf(plan);
        return keccak256(abi.encode(all, paid));
    }

    function row(uint96 id) private view returns (bytes32) {
        return keccak256(abi.encode(market.subscription(id), market.releasableAt(id)));
    }

    function tokens(address account) internal view returns (uint256) {
        return ERC20(market.token()).balanceOf(account);
    }

    function refused(address caller, bytes memory call, bytes memory reason) internal {
        refused(caller, address(market), call, reason);
    }

    /// @dev `selector(id, rest)` is refused by status in each status but these two.
    function refusedInAllBut(
        IMaaSMarket.Status one,
        IMaaSMarket.Status other,
        IMaaSMarket.Status expected,
        address caller,
        bytes4 selector,
        bytes memory rest
    ) internal {
        for (uint8 i = 0; i <= uint8(type(IMaaSMarket.Status).max); ++i) {
            IMaaSMarket.Status status = IMaaSMarket.Status(i);
            if (status == one || status == other) continue;
            bytes memory call = bytes.concat(selector, abi.encode(inStatus(status)), rest);
            refused(caller, call, wrongStatus(expected, status));
        }
    }

    /// @dev Neither the provider nor the session key nor anyone else may call `selector(id, rest)` for the buyer; and
    ///      a subscription that was never bought has no buyer.
    function refusedToAllButTheBuyer(bytes4 selector, bytes memory rest) internal {
        uint96 id = active(unitPlan, 100, 0);
        address[4] memory others = [provider, session, meter, anyone];
        for (uint256 i = 0; i < others.length; ++i) {
            refused(others[i], bytes.concat(selector, abi.encode(id), rest), notBuyer(buyer, others[i]));
        }
        refused(buyer, bytes.concat(selector, abi.encode(id + 1), rest), notBuyer(address(0), buyer));
    }

    function notBuyer(address expected, address caller) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, expected, caller);
    }

    /// @dev A fresh subscription of the plan with periods in that status.
    function inStatus(IMaaSMarket.Status status) internal returns (uint96 id) {
        if (status == IMaaSMarket.Status.None) return uint96(planId) << 32 | 99;
        id = buy(planId, 100, 2);
        if (status == IMaaSMarket.Status.Purchased) return id;
        if (status == IMaaSMarket.Status.Refundable || status == IMaaSMarket.Status.Refunded) {
            vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
            if (status == IMaaSMarket.Status.Refunded) market.refund(id);
            return id;
        }
        activate(id);
        if (status == IMaaSMarket.Status.Active) return id;
        request(id);
        if (status == IMaaSMarket.Status.Released) release(id);
    }

    function request(uint96 id) internal {
        vm.prank(buyer);
        market.requestRelease(id);
    }

    function release(uint96 id) internal {
        vm.prank(provider);
        market.release(id);
    }

    function collect(uint96 id) internal {
        uint96[] memory ids = new uint96[](1);
        ids[0] = id;
        market.collectTime(ids);
    }

    function publish(IModelCatalog.PlanTerms memory wanted) internal returns (uint64) {
        vm.prank(provider);
        return catalog.publishPlan(composite, wanted, new IModelCatalog.Share[](0));
    }

    /// @dev A plan that sells units, each at this price, and no time.
    function publishUnits(uint64 unitPrice) internal returns (uint64) {
        IModelCatalog.PlanTerms memory wanted = terms();
        (wanted.unitPrice, wanted.period, wanted.periodPrice, wanted.qoeFloor) = (unitPrice, 0, 0, 0);
        return publish(wanted);
    }

    function fund(address account, uint256 amount) internal {
        credit.faucet(account, amount);
        vm.prank(account);
        credit.approve(address(market), type(uint256).max);
    }

    /// @dev The buyer's account holds exactly this, its wallet nothing.
    function leaveInAccount(uint256 amount) internal {
        uint256 rest = FUNDS - amount;
        vm.startPrank(buyer);
        market.deposit(buyer, amount);
        assertTrue(credit.transfer(address(0xdead), rest));
        vm.stopPrank();
    }

    function sellModel(address to) internal {
        vm.prank(provider);
        catalog.transferFrom(provider, to, composite);
    }

    /// @dev Another market whose token is abundant; all of it is the buyer's.
    function useAbundantToken() internal {
        AbundantToken token = new AbundantToken(buyer);
        market = deployMarket(address(catalog), address(token));
        vm.prank(buyer);
        token.approve(address(market), type(uint256).max);
    }

    /// @dev A plan with room for one more unit and less than a period after it; `filler` has that unit left.
    function almostFullPlan() internal returns (uint64 plan, uint96 filler, uint96 other) {
        useAbundantToken();
        IModelCatalog.PlanTerms memory dear = terms();
        (dear.unitPrice, dear.periodPrice) = (DEAR_UNIT, DEAR_PERIOD);
        plan = publish(dear);
        uint40 half = uint40(1 << EARNABLE_BITS - 65);
        filler = active(plan, half, 1);
        other = active(plan, 5, 2);
        vm.prank(buyer);
        market.raiseCap(filler, half);
        settle(filler, 2 * half - 1);
    }

    /// @dev A signature that the curve takes for `signer`'s, with the least s above half its order.
    function highS(bytes32 digest) internal pure returns (address signer, bytes32 r, bytes32 vs) {
        (r,) = compact(1, digest);
        vs = bytes32(SECP256K1_ORDER / 2 + 1);
        signer = ecrecover(digest, 27, r, vs);
        assertTrue(signer != address(0), "the curve takes it");
    }

    function mostEarned() internal pure returns (uint256) {
        return (1 << EARNABLE_BITS) - 1;
    }

    function expectSkipped(uint96 id, IMaaSMarket.SkipReason reason) internal {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Skipped(id, reason);
    }

    function expectSettled(IMaaSMarket.Voucher memory one, uint256 amount) internal {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Settled(one.subscriptionId, one.units, amount, one.usageRoot);
    }

    function insufficient(uint256 needed, uint256 available) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.InsufficientBalance.selector, needed, available);
    }

    function overflow(bytes32 field) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.Overflow.selector, field);
    }
}
