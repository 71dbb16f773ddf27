// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {Wall} from "./Wall.sol";

/// @notice A composite (30 % to its component) whose component, or whose component's owner, turns hostile.
contract HostileComponentAttackTest is AttackHouse {
    uint96 private id;

    function setUp() public override {
        super.setUp();
        id = active(compositePlan, 1_000, 1);
        settle(id, 100);
    }

    function test_attack_askRaisedAfterPublishing_changesNoShare() public {
        vm.prank(componentOwner);
        catalog.setAsk(component, 10_000);
        settle(id, 200);
        expectShares(200);
        vm.prank(componentOwner);
        catalog.setAsk(component, type(uint16).max);
        settle(id, 300);
        expectShares(300);
        buy(compositePlan, 10, 1);
        assertEq(catalog.shares(compositePlan)[0].bps, 3_000, "and the plan is still on sale");
    }

    function test_attack_askRaisedBeforePublishing_failsThePublicationOnly() public {
        vm.prank(componentOwner);
        catalog.setAsk(component, 3_001);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.BelowAsk.selector, component, 3_001, 3_000));
        catalog.publishPlan(composite, terms(), shareOf(component, 3_000));
        expectShares(100);
    }

    function test_attack_componentSoldToAWall_isPaid_andBlocksNobody() public {
        Wall wall = new Wall();
        vm.prank(componentOwner);
        catalog.transferFrom(componentOwner, address(wall), component);
        vm.prank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotPayee.selector, address(wall), attacker));
        market.payoutShare(compositePlan, component);
        wall.reach(address(market), abi.encodeCall(market.payoutShare, (compositePlan, component)));
        assertEq(credit.balanceOf(address(wall)), part(100, 3_000), "no callback is made");
        market.payout(compositePlan);
        assertEq(credit.balanceOf(provider), part(100, 7_000));
    }

    function test_attack_componentBoughtByTheComposite_isPaidBothParts_once() public {
        market.payoutShare(compositePlan, component);
        vm.prank(componentOwner);
        catalog.transferFrom(componentOwner, provider, component);
        settle(id, 200);
        market.payout(compositePlan);
        market.payoutShare(compositePlan, component);
        assertEq(market.payout(compositePlan) + market.payoutShare(compositePlan, component), 0);
        assertEq(credit.balanceOf(componentOwner), part(100, 3_000));
        assertEq(credit.balanceOf(provider), part(200, 10_000) - part(100, 3_000));
    }

    function test_attack_componentThatNeverDraws_holdsUpNobody() public {
        settle(id, 1_000);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
        market.payout(compositePlan);
        assertEq(credit.balanceOf(provider), part(1_000, 7_000));
        assertEq(
            credit.balanceOf(address(market)) - balance(buyer), part(1_000, 3_000), "it waits, for ever if need be"
        );
        vm.warp(nowAt() + 3_000 days);
        market.payoutShare(compositePlan, component);
        assertEq(credit.balanceOf(componentOwner), part(1_000, 3_000));
    }

    /// @dev Kinds are fixed at registration: a component never becomes a composite, so plans have no cycles.
    function test_attack_compositeInAComposite_isRefused() public {
        IModelCatalog.Share[] memory own = shareOf(composite, 1);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.ComponentIsComposite.selector, composite));
        catalog.publishPlan(composite, terms(), own);
        vm.startPrank(attacker);
        uint32 other = catalog.register(IModelCatalog.Kind.Composite, "spec", "", attacker, 0);
        catalog.setAsk(other, 0);
        vm.stopPrank();
        IModelCatalog.Share[] memory others = shareOf(other, 1);
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.ComponentIsComposite.selector, other));
        catalog.publishPlan(composite, terms(), others);
        assertEq(uint8(catalog.model(component).kind), uint8(IModelCatalog.Kind.TaaS));
    }

    function test_attack_shareSmuggledIntoAPlan_isRefused() public {
        IModelCatalog.Share[] memory twice = new IModelCatalog.Share[](2);
        (twice[0], twice[1]) = (shareOf(component, 3_000)[0], shareOf(component, 2_000)[0]);
        vm.startPrank(provider);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.ComponentRepeated.selector, component));
        catalog.publishPlan(composite, terms(), twice);
        vm.expectRevert(abi.encodeWithSelector(IModelCatalog.OutOfBounds.selector, bytes32("bps"), 10_000, 10_001));
        catalog.publishPlan(composite, terms(), shareOf(component, 10_001));
        vm.stopPrank();
        vm.startPrank(attacker);
        uint32 foreign = catalog.register(IModelCatalog.Kind.TaaS, "spec", "", attacker, 0);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotEntitledToShare.selector, compositePlan, foreign));
        market.payoutShare(compositePlan, foreign);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotEntitledToShare.selector, compositePlan, composite));
        market.payoutShare(compositePlan, composite);
        assertEq(wealth(attacker), FUNDS);
    }

    /// @dev A component that takes all leaves the composite nothing, and no dust that it could draw by turns.
    function test_attack_shareOfEverything_leavesNothingToDrawTwice() public {
        uint64 plan = publish(1, 0, 0, shareOf(component, 10_000));
        uint96 whole = active(plan, 100, 0);
        for (uint40 i = 1; i <= 100; ++i) {
            settle(whole, i);
            assertEq(market.payout(plan), 0);
            assertEq(market.payoutShare(plan, component), 1);
        }
        assertEq(credit.balanceOf(componentOwner), 100);
    }

    function expectShares(uint256 units) private {
        market.payout(compositePlan);
        market.payoutShare(compositePlan, component);
        assertEq(credit.balanceOf(provider), part(units, 7_000));
        assertEq(credit.balanceOf(componentOwner), part(units, 3_000));
    }

    function part(uint256 units, uint256 bps) private pure returns (uint256) {
        return units * UNIT_PRICE * bps / 10_000;
    }
}

/// @notice The model changes hands while money, vouchers and rights are under way.
contract ModelSaleAttackTest is AttackHouse {
    address private heir = makeAddr("heir");
    uint96 private id;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 1_000, 0);
        settle(id, 100);
    }

    /// @dev The seller may draw first: who buys a model prices it without what is not yet paid out.
    function test_attack_sellerDrawsFirst_getsOnlyWhatWasEarned() public {
        vm.startPrank(provider);
        market.payout(unitPlan);
        catalog.transferFrom(provider, heir, composite);
        assertEq(market.payout(unitPlan), 0);
        vm.stopPrank();
        settle(id, 150);
        market.payout(unitPlan);
        assertEq(credit.balanceOf(provider), 100 * UNIT_PRICE);
        assertEq(credit.balanceOf(heir), 50 * UNIT_PRICE);
    }

    function test_attack_sellerDrawsAfterwards_paysTheHeir() public {
        sell();
        vm.prank(provider);
        market.payout(unitPlan);
        assertEq(credit.balanceOf(provider), 0);
        assertEq(credit.balanceOf(heir), 100 * UNIT_PRICE);
    }

    function test_attack_sellersVouchersUnderWay_countForTheHeir() public {
        IMaaSMarket.Voucher memory pending = voucher(id, 300);
        sell();
        vm.prank(provider);
        settle(pending);
        market.payout(unitPlan);
        assertEq(credit.balanceOf(heir), 300 * UNIT_PRICE);
        assertEq(wealth(buyer), FUNDS - 1_000 * UNIT_PRICE, "the buyer's reserve is as it was");
    }

    function test_attack_sellersKeys_openNothingAnyMore() public {
        vm.prank(provider);
        catalog.approve(attacker, composite);
        sell();
        assertEq(catalog.meterKeyOf(composite), address(0));
        bytes32 shell = keccak256("shell");
        bytes memory signed = sign(meterKey, assets.hashProvenance(shell, buyer, id, ""));
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, address(0)));
        assets.mint(buyer, shell, id, "", signed);
        bytes memory notOwner = abi.encodeWithSelector(IModelCatalog.NotModelOwner.selector, composite, heir, provider);
        vm.startPrank(provider);
        vm.expectRevert(notOwner);
        catalog.publishPlan(composite, terms(), noShares());
        vm.expectRevert(notOwner);
        catalog.retirePlan(unitPlan);
        vm.expectRevert(notOwner);
        catalog.setMeterKey(composite, meter);
        vm.expectRevert(notOwner);
        catalog.setAsk(composite, 0);
        vm.stopPrank();
        vm.prank(attacker);
        vm.expectRevert();
        catalog.transferFrom(heir, attacker, composite);
    }

    /// @dev Neither the seller nor a stranger can end a subscription before its window, to rob the heir of its vouchers.
    function test_attack_sellerReleasesAtOnce_isRefused() public {
        sell();
        vm.prank(buyer);
        market.requestRelease(id);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, opensAt, nowAt()));
        market.release(id);
        settle(id, 1_000);
        vm.prank(heir);
        market.release(id);
        assertEq(earned(unitPlan), 1_000 * UNIT_PRICE);
        assertEq(balance(buyer), 0);
    }

    /// @dev The heir cannot change what runs: price, window and cap are those that the buyer took.
    function test_attack_heirTurnsOnBuyers_findsOldTermsOnly() public {
        sell();
        vm.startPrank(heir);
        catalog.retirePlan(unitPlan);
        IModelCatalog.PlanTerms memory greedy = terms();
        (greedy.unitPrice, greedy.releaseWindow) = (type(uint64).max, 30 days);
        catalog.publishPlan(composite, greedy, noShares());
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotBuyer.selector, buyer, heir));
        market.proposeSigner(id, heir);
        vm.stopPrank();
        settle(id, 101);
        assertEq(earned(unitPlan), 101 * UNIT_PRICE);
        vm.prank(buyer);
        market.requestRelease(id);
        assertEq(market.releasableAt(id), nowAt() + RELEASE_WINDOW);
    }

    /// @dev Sold back and forth in one block: each owner is paid for what was drawn while it owned, nothing twice.
    function test_attack_modelPassedAround_paysEachUnitOnce() public {
        sell();
        market.payout(unitPlan);
        vm.prank(heir);
        catalog.transferFrom(heir, provider, composite);
        market.payout(unitPlan);
        settle(id, 110);
        market.payout(unitPlan);
        assertEq(credit.balanceOf(heir), 100 * UNIT_PRICE);
        assertEq(credit.balanceOf(provider), 10 * UNIT_PRICE);
    }

    function test_attack_modelOwnedByAWall_isPaid_andSellsOn() public {
        Wall wall = new Wall();
        vm.prank(provider);
        catalog.transferFrom(provider, address(wall), composite);
        wall.reach(address(market), abi.encodeCall(market.payout, (unitPlan)));
        assertEq(credit.balanceOf(address(wall)), 100 * UNIT_PRICE, "no callback is made");
        uint96 next = active(unitPlan, 10, 0);
        settle(next, 10);
        vm.prank(buyer);
        market.requestRelease(next);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.release(next);
        wall.reach(address(market), abi.encodeCall(market.payout, (unitPlan)));
        assertEq(credit.balanceOf(address(wall)), 110 * UNIT_PRICE);
    }

    /// @dev Sent to the market itself, a model's earnings stay in it: its owner's own folly, and nobody else's loss.
    function test_attack_modelGivenToTheMarket_blocksItsOwnEarningsOnly() public {
        vm.prank(provider);
        catalog.transferFrom(provider, address(market), composite);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotPayee.selector, market, address(this)));
        market.payout(unitPlan);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.release(id);
        assertEq(balance(buyer), 900 * UNIT_PRICE);
        vm.prank(buyer);
        market.withdraw(900 * UNIT_PRICE);
    }

    /// @dev The model lies in an escrow while it is for sale: a stranger cannot strand its earnings there.
    function test_attack_payoutForcedIntoAnEscrow_isRefused_andTheNextOwnerDraws() public {
        Wall escrow = new Wall();
        vm.prank(provider);
        catalog.transferFrom(provider, address(escrow), composite);
        vm.prank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.NotPayee.selector, address(escrow), attacker));
        market.payout(unitPlan);
        escrow.reach(address(catalog), abi.encodeCall(catalog.transferFrom, (address(escrow), heir, composite)));
        market.payout(unitPlan);
        assertEq(credit.balanceOf(heir), 100 * UNIT_PRICE);
    }

    function sell() private {
        vm.prank(provider);
        catalog.transferFrom(provider, heir, composite);
    }
}
