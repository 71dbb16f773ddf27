// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {HostileToken, IHooked} from "./HostileToken.sol";

/// @dev The burglar: buyer, model owner and asset owner in one, who strikes once, in the middle of a token's transfer.
contract Burglar is IHooked {
    address private _target;
    bytes private _strike;
    bool public struck;
    bool public opened;
    bytes public answer;

    function plan(address target, bytes calldata strike) external {
        (_target, _strike, struck, opened) = (target, strike, false, false);
    }

    function run(address target, bytes calldata data) external returns (bool ok, bytes memory said) {
        (ok, said) = target.call(data);
    }

    function onTokens() external {
        if (struck) return;
        struck = true;
        (opened, answer) = _target.call(_strike);
    }

    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return this.isValidSignature.selector;
    }
}

/// @notice A token that calls back: from each entry that moves tokens into each entry there is.
contract ReentrancyAttackTest is AttackHouse {
    uint256 private constant GUARDED = 9;
    uint256 private constant ENTRIES = 18;
    bytes32 private constant SHELL = keccak256("shell");

    HostileToken private token;
    Burglar private burglar;
    uint96[] private ids;
    uint96 private lapsed;
    uint96 private fresh;
    uint96 private running;
    uint96 private leaving;
    uint96 private proposed;

    /// @dev The burglar owns the composite and everything it could strike at; another buyer's money lies in the market.
    function setUp() public override {
        super.setUp();
        token = new HostileToken();
        market = deployMarket(address(catalog), address(token));
        assets = deployAssets(address(market));
        burglar = new Burglar();
        vm.prank(provider);
        catalog.transferFrom(provider, address(burglar), composite);
        mintAndApprove(address(burglar));
        mintAndApprove(buyer);
        vm.prank(buyer);
        market.deposit(buyer, 500e6);
        act(address(market), abi.encodeCall(IMaaSMarket.deposit, (address(burglar), 50e6)));
        lapsed = bought(unitPlan, 0);
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        fresh = bought(unitPlan, 0);
        (running, leaving, proposed) = (bought(compositePlan, 2), bought(unitPlan, 0), bought(unitPlan, 0));
        activate(running);
        activate(leaving);
        activate(proposed);
        act(address(market), abi.encodeCall(IMaaSMarket.requestRelease, (leaving)));
        act(address(market), abi.encodeCall(IMaaSMarket.proposeSigner, (proposed, attacker)));
        vm.warp(nowAt() + RELEASE_WINDOW);
        settle(running, 20);
        settle(proposed, 20);
    }

    /// @dev 9 × 18. The strike itself is real: called plainly each entry opens. In the middle of another call the nine that
    ///      move tokens are shut; the nine that only move the books open, and the books still add up.
    function test_attack_reentry_fromEachEntryIntoEach_movesNoMoneyThatIsNotThere() public {
        uint256 clean = vm.snapshotState();
        for (uint256 outer = 0; outer < GUARDED; ++outer) {
            for (uint256 inner = 0; inner < ENTRIES; ++inner) {
                (bool plainly,) = burglar.run(address(market), entry(inner));
                assertTrue(plainly, "the strike is real");
                restore(clean);
                strike(outer, inner);
                restore(clean);
            }
        }
    }

    function test_attack_reentryFromAPermit_buysOnce() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        burglar.plan(address(market), abi.encodeCall(IMaaSMarket.buyFor, (wanted, signature, noPermit())));
        token.hook(burglar);
        IMaaSMarket.Permit memory permit = permitOf(wanted.total);
        market.buyFor(wanted, signature, permit);
        assertTrue(burglar.struck());
        assertFalse(burglar.opened());
        assertEq(balance(buyer), 500e6 - wanted.total);
        assertEq(nonceOf(buyer), 1);
    }

    function test_attack_reentryIntoTheSale_buysOnce_andPaysOnce() public {
        listed(1_000);
        burglar.plan(address(assets), abi.encodeCall(IDigitalAssets.buy, (1, 1_000)));
        token.hook(burglar);
        uint256 before = token.balanceOf(buyer);
        act(address(assets), abi.encodeCall(IDigitalAssets.buy, (1, 1_000)));
        assertTrue(burglar.struck());
        assertFalse(burglar.opened());
        assertEq(bytes4(burglar.answer()), IDigitalAssets.NotListed.selector);
        assertEq(assets.ownerOf(1), address(burglar));
        assertEq(assets.priceOf(1), 0);
        assertEq(token.balanceOf(buyer), before + 1_000);
    }

    /// @dev The new owner may list before it has paid; if it did not pay, nothing would stand.
    function test_attack_listingInTheMiddleOfASale_staysTheNewOwners() public {
        listed(1_000);
        burglar.plan(address(assets), abi.encodeCall(IDigitalAssets.list, (1, 7)));
        token.hook(burglar);
        uint256 before = token.balanceOf(buyer);
        act(address(assets), abi.encodeCall(IDigitalAssets.buy, (1, 1_000)));
        assertTrue(burglar.opened());
        assertEq(assets.ownerOf(1), address(burglar));
        assertEq(assets.priceOf(1), 7);
        assertEq(token.balanceOf(buyer), before + 1_000);
        token.become(HostileToken.Vice.None);
        act(address(token), abi.encodeCall(token.approve, (address(assets), 0)));
        vm.prank(buyer);
        assets.buy(1, 7);
        vm.prank(buyer);
        assets.list(1, 1_000);
        burglar.plan(address(assets), abi.encodeCall(IDigitalAssets.list, (1, 7)));
        (bool ok,) = burglar.run(address(assets), abi.encodeCall(IDigitalAssets.buy, (1, 1_000)));
        assertFalse(ok);
        assertEq(assets.ownerOf(1), buyer);
        assertEq(assets.priceOf(1), 1_000);
    }

    function strike(uint256 outer, uint256 inner) private {
        burglar.plan(address(market), entry(inner));
        token.hook(burglar);
        assertSolvent();
        (bool ok, bytes memory said) = burglar.run(address(market), entry(outer));
        assertTrue(ok, string(said));
        assertTrue(burglar.struck(), "the token did call");
        if (inner < GUARDED) {
            assertFalse(burglar.opened(), "shut");
            bytes4 guard = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;
            assertEq(bytes4(burglar.answer()), guard);
        } else {
            assertTrue(burglar.opened(), "open");
        }
        assertSolvent();
        assertEq(balance(buyer), 500e6, "nobody else's account moved");
    }

    function entry(uint256 which) private view returns (bytes memory) {
        address self = address(burglar);
        if (which == 0) return abi.encodeCall(IMaaSMarket.deposit, (self, 5));
        if (which == 1) return abi.encodeCall(IMaaSMarket.depositWithPermit, (self, 5, noPermit()));
        if (which == 2) return abi.encodeCall(IMaaSMarket.withdraw, (5));
        if (which == 3) return abi.encodeCall(IMaaSMarket.buy, (unitPlan, session, 10_000, 0, REQUEST));
        if (which == 4) return abi.encodeCall(IMaaSMarket.buyFor, (ownOrder(), "", noPermit()));
        if (which == 5) return abi.encodeCall(IMaaSMarket.raiseCap, (running, 10_000));
        if (which == 6) return abi.encodeCall(IMaaSMarket.renew, (running, 100));
        if (which == 7) return abi.encodeCall(IMaaSMarket.payout, (compositePlan));
        if (which == 8) return abi.encodeCall(IMaaSMarket.payoutShare, (compositePlan, component));
        if (which == 9) return abi.encodeCall(IMaaSMarket.cancelOrders, (1_000));
        if (which == 10) return activation();
        if (which == 11) return abi.encodeCall(IMaaSMarket.refund, (lapsed));
        if (which == 12) return abi.encodeCall(IMaaSMarket.proposeSigner, (running, attacker));
        if (which == 13) return abi.encodeCall(IMaaSMarket.confirmSigner, (proposed));
        if (which == 14) return abi.encodeCall(IMaaSMarket.requestRelease, (running));
        if (which == 15) return abi.encodeCall(IMaaSMarket.release, (leaving));
        if (which == 16) return settlement();
        uint96[] memory one = new uint96[](1);
        one[0] = running;
        return abi.encodeCall(IMaaSMarket.collectTime, (one));
    }

    function ownOrder() private view returns (IMaaSMarket.Order memory wanted) {
        wanted = order(10_000, 1);
        wanted.buyer = address(burglar);
        wanted.nonce = nonceOf(address(burglar));
    }

    function activation() private view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(fresh, ENDPOINT));
        return abi.encodeCall(IMaaSMarket.activate, (fresh, ENDPOINT, r, vs));
    }

    function settlement() private view returns (bytes memory) {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](1);
        batch[0] = voucher(running, 50);
        return abi.encodeCall(IMaaSMarket.settle, (batch));
    }

    /// @dev Invariant 1 over the two accounts and all subscriptions, also those that an outer call bought meanwhile.
    function assertSolvent() private {
        uint256 sum = balance(buyer) + balance(address(burglar));
        uint64[2] memory plans = [unitPlan, compositePlan];
        for (uint256 i = 0; i < plans.length; ++i) {
            (uint96 all, uint96 paid) = market.earningsOf(plans[i]);
            sum += all - paid + reservedOf(plans[i]);
        }
        sum += reservedOf(planId);
        assertEq(token.balanceOf(address(market)), sum, "solvent");
    }

    function reservedOf(uint64 plan) private view returns (uint256 sum) {
        for (uint96 id = uint96(plan) << 32 | 1; market.statusOf(id) != IMaaSMarket.Status.None; ++id) {
            IMaaSMarket.Subscription memory one = market.subscription(id);
            if (one.status == IMaaSMarket.Status.Released || one.status == IMaaSMarket.Status.Refunded) continue;
            sum += uint256(one.cap - one.used) * UNIT_PRICE;
            if (one.since == 0 && plan != unitPlan) sum += PERIOD_PRICE; // each is bought with one period
            else sum += cost(one.paidThrough - one.since) - cost(one.collectedThrough - one.since);
        }
    }

    function cost(uint256 elapsed) private pure returns (uint256) {
        return elapsed * PERIOD_PRICE / PERIOD;
    }

    function bought(uint64 plan, uint32 periods) private returns (uint96 id) {
        act(address(market), abi.encodeCall(IMaaSMarket.buy, (plan, session, 100, periods, REQUEST)));
        for (id = uint96(plan) << 32 | 1; market.statusOf(id + 1) != IMaaSMarket.Status.None;) {
            ++id;
        }
    }

    function listed(uint256 price) private {
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, buyer, running, "s4m:shell"));
        act(address(catalog), abi.encodeCall(IModelCatalog.setMeterKey, (composite, meter)));
        assets.mint(buyer, SHELL, running, "s4m:shell", signed);
        act(address(token), abi.encodeCall(token.approve, (address(assets), type(uint256).max)));
        vm.startPrank(buyer);
        token.approve(address(assets), type(uint256).max);
        assets.list(1, price);
        vm.stopPrank();
    }

    function mintAndApprove(address someone) private {
        token.mint(someone, 1_000e6);
        vm.prank(someone);
        token.approve(address(market), type(uint256).max);
    }

    function permitOf(uint256 value) private view returns (IMaaSMarket.Permit memory permit) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 content = keccak256(abi.encode(typeHash, buyer, address(market), value, 0, nowAt()));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), content));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(buyerKey, digest);
        return IMaaSMarket.Permit({value: value, deadline: nowAt(), v: v, r: r, s: s});
    }

    function act(address target, bytes memory data) private {
        (bool ok, bytes memory said) = burglar.run(target, data);
        assertTrue(ok, string(said));
    }

    function restore(uint256 clean) private {
        assertTrue(vm.revertToState(clean));
    }
}
