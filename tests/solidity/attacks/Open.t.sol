// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {DigitalAssets} from "../../../contracts/DigitalAssets.sol";
import {MaaSMarket} from "../../../contracts/MaaSMarket.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {HostileToken} from "./HostileToken.sol";
import {Rfc6962} from "./Rfc6962.sol";
import {Wall} from "./Wall.sol";

/// @notice Attacks that succeed today, each asserting what its victim should keep. Skipped, so that they are seen and not
///         forgotten; `OPEN_ATTACKS=1 scripts/forge.sh test --match-contract OpenAttackTest` runs them. docs/threat-model.md
///         says of each what a user can do meanwhile. Who mends one deletes its `open` line and moves it to its theme.
contract OpenAttackTest is AttackHouse {
    bytes32 private constant SHELL = keccak256("shell");

    /// @dev Anybody can register a service, buy from himself for nothing, and with his own meter vouch for a hash that he
    ///      saw in the mempool. The maker's mint is then refused as the copy.
    function test_attack_contentHashTakenByAForeignService_makerStillMints() public {
        open("one namespace of content hashes for all services: a front-runner with a service of his own takes it");
        uint96 id = active(unitPlan, 1, 0);
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, buyer, id, "s4m:shell"));
        vm.startPrank(attacker);
        uint32 own = catalog.register(IModelCatalog.Kind.CaaS, "spec", "", attacker, 0);
        IModelCatalog.PlanTerms memory free = terms();
        (free.unitPrice, free.period, free.periodPrice, free.qoeFloor) = (0, 0, 0, 0);
        uint96 foreign = market.buy(catalog.publishPlan(own, free, noShares()), attacker, 1, 0, REQUEST);
        (bytes32 r, bytes32 vs) = compact(attackerKey, market.hashActivation(foreign, ENDPOINT));
        market.activate(foreign, ENDPOINT, r, vs);
        bytes memory squat = sign(attackerKey, assets.hashProvenance(SHELL, attacker, foreign, ""));
        assets.mint(attacker, SHELL, foreign, "", squat);
        vm.stopPrank();
        assertEq(assets.ownerOf(assets.mint(buyer, SHELL, id, "s4m:shell", signed)), buyer);
    }

    /// @dev The model lies in an escrow while it is for sale; a stranger pays its earnings out into that contract.
    function test_attack_payoutForcedIntoAnEscrow_earningsWaitForTheOwner() public {
        open("payout is open to all and pays whoever holds the model that moment");
        Wall escrow = new Wall();
        settle(active(unitPlan, 100, 0), 100);
        vm.prank(provider);
        catalog.transferFrom(provider, address(escrow), composite);
        vm.prank(attacker);
        try market.payout(unitPlan) {} catch {}
        assertEq(credit.balanceOf(address(escrow)), 0, "stranded for ever");
    }

    /// @dev Buyer and composite's owner agree off the chain: request and release in one block, before the component's
    ///      owner can settle the vouchers of which it holds copies.
    function test_attack_compositeAndBuyerReleaseAtOnce_componentKeepsItsWindow() public {
        open("the owner of a composite may release at once, although its components have shares in pending vouchers");
        uint96 id = active(compositePlan, 1_000, 1);
        IMaaSMarket.Voucher memory heldByTheComponent = voucher(id, 1_000);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        try market.release(id) {} catch {}
        vm.prank(componentOwner);
        settle(heldByTheComponent);
        market.payoutShare(compositePlan, component);
        assertEq(credit.balanceOf(componentOwner), 1_000 * UNIT_PRICE * 3_000 / 10_000);
    }

    /// @dev The token refuses the creator (a blacklist, a hook): nobody can sell any of its works here any more.
    function test_attack_creatorRefusedByTheToken_ownersStillSell() public {
        open("a royalty that cannot be paid undoes the sale, of every later owner too");
        HostileToken token = new HostileToken();
        market = new MaaSMarket(address(catalog), address(token));
        assets = new DigitalAssets(address(market));
        token.mint(buyer, FUNDS);
        vm.prank(buyer);
        token.approve(address(market), FUNDS);
        uint96 id = active(unitPlan, 1, 0);
        assets.mint(buyer, SHELL, id, "", sign(meterKey, assets.hashProvenance(SHELL, buyer, id, "")));
        vm.prank(buyer);
        assets.transferFrom(buyer, provider, 1);
        vm.prank(provider);
        assets.list(1, 1_000);
        token.mint(attacker, 1_000);
        token.blacklist(buyer, true);
        vm.startPrank(attacker);
        token.approve(address(assets), 1_000);
        assets.buy(1, 1_000);
        assertEq(assets.ownerOf(1), attacker);
    }

    /// @dev After 7 February 2106 the second from which anyone may release no longer fits its 32 bits.
    function test_attack_releaseAfter2106_keepsTheProvidersWindow() public {
        open("requestRelease cuts the end of its window to 32 bits");
        vm.warp(uint256(type(uint32).max) - ACTIVATION_WINDOW);
        uint96 id = active(unitPlan, 1_000, 0);
        IMaaSMarket.Voucher memory pending = voucher(id, 1_000);
        vm.warp(uint256(type(uint32).max) - 10);
        vm.startPrank(buyer);
        market.requestRelease(id);
        try market.release(id) {} catch {}
        vm.stopPrank();
        settle(pending);
        assertEq(earned(unitPlan), 1_000 * UNIT_PRICE);
    }

    /// @dev Either side makes a true proof false afterwards: the buyer by a new session key, the owner by a new meter key.
    function test_attack_keyChangedAfterwards_trueRecordStaysProven() public {
        open("proveUsage knows only the keys of today; the event Settled keeps the root for ever");
        uint96 id = active(unitPlan, 10, 0);
        IMaaSMarket.UsageRecord memory record;
        (record.subscriptionId, record.units, record.total) = (id, 1, 1);
        bytes32 root = sha256(abi.encodePacked(hex"02", uint64(1), Rfc6962.leaf(record)));
        IMaaSMarket.Voucher memory signed = voucherOver(id, 1, root);
        bytes memory meterSig = sign(meterKey, market.hashVoucher(id, 1, root));
        IMaaSMarket.InclusionProof memory proof = IMaaSMarket.InclusionProof({size: 1, path: new bytes32[](0)});
        settle(signed);
        assertTrue(market.proveUsage(record, proof, signed, meterSig));
        vm.prank(buyer);
        market.proposeSigner(id, attacker);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        assertTrue(market.proveUsage(record, proof, signed, meterSig), "denied by the buyer");
    }

    /// @dev Where a unit costs nothing, anybody lifts the cap that a buyer or a provider meant as a bound of use.
    function test_attack_capOfAFreePlanRaisedByAStranger_staysTheBuyers() public {
        open("raising the cap is free where units are, and open to all");
        uint64 flat = publish(0, PERIOD, PERIOD_PRICE, noShares());
        uint96 id = active(flat, 100, 1);
        vm.prank(attacker);
        try market.raiseCap(id, type(uint40).max - 100) {} catch {}
        assertEq(market.subscription(id).cap, 100);
    }

    function open(string memory hole) private {
        vm.skip(!vm.envOr("OPEN_ATTACKS", false), hole);
    }
}
