// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @notice One bad item in a batch of others' good vouchers: it is named and left out, wherever it stands.
contract GriefingItemAttackTest is AttackHouse {
    uint256 private constant GOOD = 3;
    uint256 private constant KINDS = 12;

    uint96[GOOD] private good;
    uint96 private sleeping;
    uint96 private lapsed;
    uint96 private refunded;
    uint96 private released;
    uint96 private rotated;
    IMaaSMarket.Voucher private old;

    function setUp() public override {
        super.setUp();
        lapsed = buy(unitPlan, 100, 0);
        refunded = buy(unitPlan, 100, 0);
        released = active(unitPlan, 100, 0);
        rotated = active(unitPlan, 100, 0);
        old = voucher(rotated, 100);
        vm.startPrank(buyer);
        market.requestRelease(released);
        market.proposeSigner(rotated, attacker);
        vm.stopPrank();
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        market.refund(refunded);
        market.release(released);
        market.confirmSigner(rotated);
        sleeping = buy(unitPlan, 100, 0);
        (good[0], good[1], good[2]) = (active(unitPlan, 100, 0), active(planId, 100, 1), active(unitPlan, 100, 0));
        settle(good[0], 5);
    }

    /// @dev 12 kinds × 4 places; the good ones lie over two plans, so that the bad one splits a run of one plan, too.
    function test_attack_badItemAnywhere_leavesTheRestWhole() public {
        uint256 clean = vm.snapshotState();
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            for (uint256 place = 0; place <= GOOD; ++place) {
                (IMaaSMarket.Voucher memory bad, IMaaSMarket.SkipReason reason) = badItem(kind);
                expectSkipped(bad.subscriptionId, reason);
                market.settle(withBadAt(place, bad));
                assertEq(used(good[0]) + used(good[1]) + used(good[2]), 60, "the rest applies");
                assertEq(earned(unitPlan), 40 * UNIT_PRICE);
                assertEq(earned(planId), 20 * UNIT_PRICE);
                assertTrue(vm.revertToState(clean));
            }
        }
    }

    function test_attack_nothingButBadItems_movesNothing() public {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](KINDS);
        for (uint256 kind = 0; kind < KINDS; ++kind) {
            (batch[kind],) = badItem(kind);
        }
        bytes32 kept = books(good[0]);
        vm.prank(attacker);
        market.settle(batch);
        assertEq(books(good[0]), kept);
    }

    /// @dev The front-runner settles items of the batch first; all end where they would have, the provider is paid the same.
    function test_attack_itemsSettledBeforehand_endTheSame() public {
        IMaaSMarket.Voucher[] memory batch = withBadAt(GOOD, voucher(good[1], 21));
        vm.startPrank(attacker);
        settle(batch[1]);
        settle(batch[3]);
        vm.stopPrank();
        expectSkipped(good[1], IMaaSMarket.SkipReason.Stale);
        expectSkipped(good[1], IMaaSMarket.SkipReason.Stale);
        market.settle(batch);
        assertEq(earned(planId), 21 * UNIT_PRICE);
        assertEq(earned(unitPlan), 40 * UNIT_PRICE);
        assertEq(wealth(attacker), FUNDS);
    }

    function test_attack_sameVoucherAHundredTimes_countsOnce() public {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](100);
        for (uint256 i = 0; i < batch.length; ++i) {
            batch[i] = voucher(good[0], 100);
        }
        market.settle(batch);
        assertEq(used(good[0]), 100);
        assertEq(earned(unitPlan), 100 * UNIT_PRICE);
    }

    /// @dev An item has 160 bytes and no more: what hangs behind the batch is ignored, a length that lies is refused.
    function test_attack_dataSmuggledBehindTheBatch_isIgnored() public {
        IMaaSMarket.Voucher[] memory batch = withBadAt(GOOD, old);
        bytes memory data = abi.encodeCall(IMaaSMarket.settle, (batch));
        assertEq(data.length, 4 + 64 + 160 * batch.length);
        (bool ok,) = address(market).call(bytes.concat(data, new bytes(100_000)));
        assertTrue(ok);
        assertEq(earned(unitPlan), 40 * UNIT_PRICE);
    }

    function test_attack_batchOfFalseLength_movesNothing() public {
        bytes memory data = abi.encodeCall(IMaaSMarket.settle, (withBadAt(GOOD, old)));
        bytes32 kept = books(good[0]);
        uint256[3] memory lengths = [uint256(5), type(uint64).max, type(uint256).max];
        for (uint256 i = 0; i < lengths.length; ++i) {
            uint256 length = lengths[i];
            assembly ("memory-safe") {
                mstore(add(data, 68), length) // 32 of the bytes' own length, 4 of the selector, 32 of the offset
            }
            (bool ok,) = address(market).call(data);
            assertFalse(ok);
        }
        assertEq(books(good[0]), kept);
    }

    /// @dev Bits outside a field's width: a client's typed voucher cannot carry them, only the sender's own raw call.
    function test_attack_dirtyBits_leaveTheRestWhole() public {
        bytes memory data = abi.encodeCall(IMaaSMarket.settle, (withBadAt(GOOD, old)));
        uint256 clean = vm.snapshotState();
        data[4 + 64 + 19] = 0x01; // above the 96 bits of the first item's id
        expectSkipped(good[0], IMaaSMarket.SkipReason.BadSignature);
        (bool ok,) = address(market).call(data);
        assertTrue(ok);
        assertEq(used(good[0]), 5, "as before");
        assertEq(used(good[1]) + used(good[2]), 40);
        assertTrue(vm.revertToState(clean));
        data[4 + 64 + 19] = 0x00;
        data[4 + 64 + 32 + 26] = 0x01; // above the 40 bits of its units
        expectSkipped(good[0], IMaaSMarket.SkipReason.OverCap);
        (ok,) = address(market).call(data);
        assertTrue(ok);
        assertEq(used(good[0]), 5, "as before");
        assertEq(used(good[1]) + used(good[2]), 40);
    }

    function test_attack_badIdsAmongCollections_leaveTheRestWhole() public {
        vm.warp(nowAt() + PERIOD);
        uint96[] memory ids = new uint96[](8);
        (ids[0], ids[1], ids[2], ids[3]) = (0, type(uint96).max, sleeping, lapsed);
        (ids[4], ids[5], ids[6], ids[7]) = (refunded, released, good[1], good[1]);
        market.collectTime(ids);
        assertEq(earned(planId), PERIOD_PRICE);
    }

    function badItem(uint256 kind) private view returns (IMaaSMarket.Voucher memory, IMaaSMarket.SkipReason) {
        if (kind == 0) return (voucher(0, 1), IMaaSMarket.SkipReason.Unknown);
        if (kind == 1) return (voucher(good[0] + 99, 1), IMaaSMarket.SkipReason.Unknown);
        if (kind == 2) return (voucher(type(uint96).max, type(uint40).max), IMaaSMarket.SkipReason.Unknown);
        if (kind == 3) return (voucher(sleeping, 10), IMaaSMarket.SkipReason.NotActive);
        if (kind == 4) return (voucher(lapsed, 10), IMaaSMarket.SkipReason.NotActive);
        if (kind == 5) return (voucher(refunded, 10), IMaaSMarket.SkipReason.NotActive);
        if (kind == 6) return (voucher(released, 10), IMaaSMarket.SkipReason.NotActive);
        if (kind == 7) return (voucher(good[0], 0), IMaaSMarket.SkipReason.Stale);
        if (kind == 8) return (voucher(good[0], 5), IMaaSMarket.SkipReason.Stale);
        if (kind == 9) return (voucher(good[0], type(uint40).max), IMaaSMarket.SkipReason.OverCap);
        if (kind == 10) return (old, IMaaSMarket.SkipReason.BadSignature);
        IMaaSMarket.Voucher memory forged = voucher(good[0], 100);
        (forged.r, forged.vs) = (bytes32(type(uint256).max), bytes32(type(uint256).max));
        return (forged, IMaaSMarket.SkipReason.BadSignature);
    }

    /// @dev 20 units each of the three good ones.
    function withBadAt(uint256 place, IMaaSMarket.Voucher memory bad)
        private
        view
        returns (IMaaSMarket.Voucher[] memory batch)
    {
        batch = new IMaaSMarket.Voucher[](GOOD + 1);
        for (uint256 i = 0; i < GOOD; ++i) {
            batch[i < place ? i : i + 1] = voucher(good[i], 20);
        }
        batch[place] = bad;
    }
}

/// @notice A batch as large as a transaction may be (EIP-7825), and larger.
contract HugeBatchAttackTest is AttackHouse {
    uint256 private constant MOST_GAS = 16_777_216;
    uint256 private constant MANY = 1_400;
    uint96 private first;

    function setUp() public override {
        super.setUp();
        first = active(unitPlan, 100, 0);
        for (uint256 i = 1; i < MANY; ++i) {
            active(unitPlan, 100, 0);
        }
    }

    /// @dev Finds the largest batch that fits in one transaction: more than a thousand; one more item and nothing happens.
    function test_attack_hugeBatch_fitsAThousand_andBeyondTheCapFailsWhole() public {
        IMaaSMarket.Voucher[] memory batch = vouchers();
        uint256 clean = vm.snapshotState();
        (uint256 fits, uint256 fails) = (1_000, MANY);
        while (fails - fits > 1) {
            uint256 middle = (fits + fails) / 2;
            if (settledWithin(MOST_GAS, batch, middle)) fits = middle;
            else fails = middle;
            assertTrue(vm.revertToState(clean));
        }
        emit log_named_uint("largest batch within 16,777,216 gas", fits);
        bytes32 kept = books(first);
        assertFalse(settledWithin(MOST_GAS, batch, fails));
        assertEq(books(first), kept, "one over: no effect");
        assertTrue(settledWithin(MOST_GAS, batch, fits));
        assertEq(earned(unitPlan), 40 * fits * UNIT_PRICE);
        assertEq(used(first + uint96(fits) - 1), 40);
    }

    /// @dev Any two hundred cost what any other two hundred cost (within 1 %): no item pays for those before it.
    function test_attack_hugeBatch_costsInAStraightLine() public {
        IMaaSMarket.Voucher[] memory batch = vouchers();
        uint256 clean = vm.snapshotState();
        uint256[6] memory gas;
        for (uint256 i = 0; i < gas.length; ++i) {
            gas[i] = gasOf(batch, 200 * (i + 1));
            assertTrue(vm.revertToState(clean));
        }
        uint256 step = gas[1] - gas[0];
        emit log_named_uint("gas of each further voucher", step / 200);
        for (uint256 i = 2; i < gas.length; ++i) {
            assertApproxEqRel(gas[i] - gas[i - 1], step, 0.01e18);
        }
    }

    /// @dev The dearest junk: items that cost their sender gas and nobody anything else.
    function test_attack_hugeBatchOfJunk_movesNothing() public {
        IMaaSMarket.Voucher[] memory batch = vouchers();
        for (uint256 i = 0; i < batch.length; ++i) {
            batch[i].usageRoot = keccak256("forged");
        }
        bytes32 kept = books(first);
        market.settle(batch);
        assertEq(books(first), kept);
        assertEq(earned(unitPlan), 0);
    }

    function settledWithin(uint256 gas, IMaaSMarket.Voucher[] memory batch, uint256 count) private returns (bool ok) {
        bytes memory data = callOf(batch, count);
        vm.cool(address(market));
        (ok,) = address(market).call{gas: gas - intrinsic(data)}(data);
    }

    function gasOf(IMaaSMarket.Voucher[] memory batch, uint256 count) private returns (uint256 gas) {
        bytes memory data = callOf(batch, count);
        vm.cool(address(market));
        (bool ok,) = address(market).call(data);
        gas = vm.lastCallGas().gasTotalUsed + intrinsic(data);
        assertTrue(ok);
    }

    /// @dev What a transaction costs before it runs: 21,000, and 4 or 16 for each byte of its data.
    function intrinsic(bytes memory data) private pure returns (uint256 gas) {
        gas = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            gas += data[i] == 0 ? 4 : 16;
        }
    }

    function callOf(IMaaSMarket.Voucher[] memory all, uint256 count) private pure returns (bytes memory) {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](count);
        for (uint256 i = 0; i < count; ++i) {
            batch[i] = all[i];
        }
        return abi.encodeCall(IMaaSMarket.settle, (batch));
    }

    function vouchers() private view returns (IMaaSMarket.Voucher[] memory batch) {
        batch = new IMaaSMarket.Voucher[](MANY);
        for (uint256 i = 0; i < MANY; ++i) {
            batch[i] = voucher(first + uint96(i), 40);
        }
    }
}
