// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {AttackHouse} from "./AttackHouse.sol";

/// @notice Vouchers whose id or units carry bits above their width: no compiler writes them, a hostile session key can sign
///         them as they are. Whether settlement refuses or skips them, no unit counts twice and no other id is touched.
contract RawCallAttackTest is AttackHouse {
    uint96 private id;
    uint96 private other;
    uint256 private before;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 100, 0);
        other = active(unitPlan, 100, 0);
        settle(id, 5);
        before = wealth(buyer);
    }

    function test_attack_anyDirtyBit_appliesNothing(uint8 bit, bool inUnits) public {
        uint256[5] memory item = signed(id, 20);
        if (inUnits) item[1] |= uint256(1) << bound(bit, 40, 255);
        else item[0] |= uint256(1) << bound(bit, 96, 255);
        bytes32 kept = books(id);
        send(item, item, item);
        assertEq(books(id), kept);
    }

    /// @dev The dirty form is signed as such, and split around the clean one to break a plan's run and its room in two.
    function test_attack_dirtyBitsSignedAsSuch_countEachUnitOnce(uint8 bit) public {
        uint256 dirty = uint256(id) | uint256(1) << bound(bit, 96, 255);
        send(signed(dirty, 20), signed(id, 30), signed(dirty, 40));
        send(signed(id, 30), signed(dirty, 30), signed(dirty, 101));
        assertLe(used(id), 40);
        assertEq(earned(unitPlan), used(id) * UNIT_PRICE);
        assertEq(used(other), 0);
        assertEq(wealth(buyer), before);
        vm.prank(buyer);
        market.requestRelease(id);
        vm.prank(provider);
        market.release(id);
        assertEq(wealth(buyer), before + (100 - used(id)) * UNIT_PRICE, "what is not earned comes back");
    }

    /// @dev Units whose low 40 bits fit the cap: the whole word counts, not its low end.
    function test_attack_unitsBeyondTheirWidthSignedAsSuch_applyNothing(uint8 bit) public {
        uint256 dirty = uint256(20) | uint256(1) << bound(bit, 40, 255);
        bytes32 kept = books(id);
        send(signed(id, dirty), signed(id, dirty), signed(id, dirty));
        assertEq(books(id), kept);
    }

    function test_attack_handMadeItem_isTheOneThatIsSettled() public {
        send(signed(id, 20), signed(id, 25), signed(other, 1));
        assertEq(used(id), 25, "these tests sign what settlement reads");
        assertEq(used(other), 1);
    }

    function send(uint256[5] memory a, uint256[5] memory b, uint256[5] memory c) private {
        bytes memory items = bytes.concat(abi.encode(a), abi.encode(b), abi.encode(c));
        bytes memory data = bytes.concat(IMaaSMarket.settle.selector, abi.encode(32, 3), items);
        (bool ok,) = address(market).call(data);
        ok; // refused whole or item by item: the books tell
    }

    /// @dev id, units, usageRoot, r, vs: the session key over exactly these words.
    function signed(uint256 rawId, uint256 rawUnits) private view returns (uint256[5] memory) {
        bytes32 voucherType = keccak256("Voucher(uint96 subscriptionId,uint40 units,bytes32 usageRoot)");
        bytes32 content = keccak256(abi.encode(voucherType, rawId, rawUnits, ENDPOINT));
        (bytes32 r, bytes32 vs) = compact(sessionKey, keccak256(abi.encodePacked(hex"1901", domain(), content)));
        return [rawId, rawUnits, uint256(ENDPOINT), uint256(r), uint256(vs)];
    }

    function domain() private view returns (bytes32) {
        bytes32 domainType =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 name = keccak256("Slicing4Meta MaaSMarket");
        return keccak256(abi.encode(domainType, name, keccak256("1"), block.chainid, address(market)));
    }
}
