// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice The session key is replaced: exactly one is valid at any time.
contract SignerTest is MarketUnit {
    address private fresh;
    uint256 private freshKey;

    function setUp() public override {
        super.setUp();
        (fresh, freshKey) = makeAddrAndKey("fresh");
    }

    function test_proposeSigner_notByTheBuyer_isRefused() public {
        refusedToAllButTheBuyer(market.proposeSigner.selector, abi.encode(fresh));
    }

    function test_proposeSigner_anyStatusButActive_isRefused() public {
        refusedInAllBut(
            IMaaSMarket.Status.None,
            IMaaSMarket.Status.Active,
            IMaaSMarket.Status.Active,
            buyer,
            market.proposeSigner.selector,
            abi.encode(fresh)
        );
    }

    function test_proposeSigner_theSignerIsZero_isRefused() public {
        bytes memory call = abi.encodeCall(market.proposeSigner, (active(unitPlan, 100, 0), address(0)));
        refused(buyer, call, abi.encodeWithSelector(IMaaSMarket.ZeroSigner.selector));
    }

    function test_proposeSigner_theSignerHasCode_isRefused() public {
        bytes memory call = abi.encodeCall(market.proposeSigner, (active(unitPlan, 100, 0), address(credit)));
        refused(buyer, call, abi.encodeWithSelector(IMaaSMarket.SignerHasCode.selector, address(credit)));
    }

    function test_proposeSigner_byTheBuyer_opensTheWindowAndChangesNoKeyYet() public {
        uint96 id = active(unitPlan, 100, 0);
        IMaaSMarket.Voucher memory old = voucher(id, 10);
        vm.expectEmit(address(market));
        emit IMaaSMarket.SignerProposed(id, fresh, uint64(nowAt() + RELEASE_WINDOW));
        propose(id, fresh);
        assertEq(market.subscription(id).signer, session);
        sessionKey = freshKey;
        expectSkipped(id, IMaaSMarket.SkipReason.BadSignature);
        settle(id, 20);
        settle(old);
        assertEq(market.subscription(id).used, 10);
    }

    function test_proposeSigner_anEarlierProposal_takesItsPlaceAndStartsTheWindowAgain() public {
        uint96 id = active(unitPlan, 100, 0);
        propose(id, friend);
        vm.warp(nowAt() + RELEASE_WINDOW - 1);
        propose(id, fresh);
        vm.warp(nowAt() + 1);
        refused(anyone, abi.encodeCall(market.confirmSigner, (id)), tooEarly(nowAt() + RELEASE_WINDOW - 1));
        vm.warp(nowAt() + RELEASE_WINDOW - 1);
        market.confirmSigner(id);
        assertEq(market.subscription(id).signer, fresh);
    }

    function test_confirmSigner_anyStatusButActive_isRefused() public {
        IMaaSMarket.Status needed = IMaaSMarket.Status.Active;
        refusedInAllBut(needed, needed, needed, buyer, market.confirmSigner.selector, "");
    }

    function test_confirmSigner_nothingProposed_isRefused() public {
        uint96 id = active(unitPlan, 100, 0);
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.NothingProposed.selector, id);
        refused(buyer, abi.encodeCall(market.confirmSigner, (id)), reason);
    }

    function test_confirmSigner_aWindowStillOpen_isRefused(uint32 wait) public {
        uint96 id = active(unitPlan, 100, 0);
        propose(id, fresh);
        uint256 opensAt = nowAt() + RELEASE_WINDOW;
        vm.warp(nowAt() + bound(wait, 0, RELEASE_WINDOW - 1));
        refused(buyer, abi.encodeCall(market.confirmSigner, (id)), tooEarly(opensAt));
    }

    function test_confirmSigner_anyoneConfirms_replacesTheKey(uint32 wait) public {
        uint96 id = active(unitPlan, 100, 0);
        propose(id, fresh);
        vm.warp(nowAt() + bound(wait, RELEASE_WINDOW, 3_650 days));
        vm.expectEmit(address(market));
        emit IMaaSMarket.SignerConfirmed(id, fresh);
        vm.prank(anyone);
        market.confirmSigner(id);
        assertEq(market.subscription(id).signer, fresh);
        assertEq(market.subscription(id).cap, 100);
    }

    function test_confirmSigner_confirmedTwice_isRefused() public {
        uint96 id = rotated();
        bytes memory reason = abi.encodeWithSelector(IMaaSMarket.NothingProposed.selector, id);
        refused(buyer, abi.encodeCall(market.confirmSigner, (id)), reason);
    }

    function test_confirmSigner_theWindowHasPassed_makesTheOldKeysVouchersWorthless() public {
        uint96 id = rotated();
        expectSkipped(id, IMaaSMarket.SkipReason.BadSignature);
        settle(id, 20);
        assertEq(market.subscription(id).used, 0);
    }

    function test_confirmSigner_theWindowHasPassed_letsTheNewKeysFirstVoucherCoverAllUse() public {
        uint96 id = active(unitPlan, 100, 0);
        propose(id, fresh);
        settle(id, 10);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
        sessionKey = freshKey;
        settle(id, 30);
        assertEq(market.subscription(id).used, 30);
        assertEq(earned(unitPlan), 30 * UNIT_PRICE);
    }

    function rotated() private returns (uint96 id) {
        id = active(unitPlan, 100, 0);
        propose(id, fresh);
        vm.warp(nowAt() + RELEASE_WINDOW);
        market.confirmSigner(id);
    }

    function propose(uint96 id, address signer) private {
        vm.prank(buyer);
        market.proposeSigner(id, signer);
    }

    function tooEarly(uint256 opensAt) private view returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.TooEarly.selector, opensAt, nowAt());
    }
}
