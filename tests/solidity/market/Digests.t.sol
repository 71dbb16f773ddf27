// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @notice What is signed, computed here a second time from the words of EIP-712.
contract DigestsTest is MarketUnit {
    function test_hashOrder_isTheDigestOfEIP712(IMaaSMarket.Order memory one) public view {
        bytes32 kind = keccak256(
            "Order(address buyer,uint64 planId,address signer,uint40 cap,uint32 periods,bytes32 requirementsHash,uint256 total,uint64 nonce,uint64 deadline)"
        );
        assertEq(market.hashOrder(one), digest(bytes.concat(kind, abi.encode(one))));
    }

    function test_hashOrder_anyFieldDiffers_isAnotherDigest(IMaaSMarket.Order memory one) public view {
        bytes32 own = market.hashOrder(one);
        for (uint256 field = 0; field < 9; ++field) {
            IMaaSMarket.Order memory other = abi.decode(abi.encode(one), (IMaaSMarket.Order));
            if (field == 0) other.buyer = address(uint160(one.buyer) ^ 1);
            if (field == 1) other.planId ^= 1;
            if (field == 2) other.signer = address(uint160(one.signer) ^ 1);
            if (field == 3) other.cap ^= 1;
            if (field == 4) other.periods ^= 1;
            if (field == 5) other.requirementsHash ^= bytes32(uint256(1));
            if (field == 6) other.total ^= 1;
            if (field == 7) other.nonce ^= 1;
            if (field == 8) other.deadline ^= 1;
            assertNotEq(market.hashOrder(other), own);
        }
    }

    function test_hashVoucher_isTheDigestOfEIP712(uint96 id, uint40 units, bytes32 root) public view {
        bytes32 kind = keccak256("Voucher(uint96 subscriptionId,uint40 units,bytes32 usageRoot)");
        assertEq(market.hashVoucher(id, units, root), digest(abi.encode(kind, id, units, root)));
    }

    function test_hashVoucher_anyFieldDiffers_isAnotherDigest(uint96 id, uint40 units, bytes32 root) public view {
        bytes32 own = market.hashVoucher(id, units, root);
        assertNotEq(market.hashVoucher(id ^ 1, units, root), own);
        assertNotEq(market.hashVoucher(id, units ^ 1, root), own);
        assertNotEq(market.hashVoucher(id, units, root ^ bytes32(uint256(1))), own);
    }

    function test_hashActivation_isTheDigestOfEIP712(uint96 id, bytes32 endpointHash) public view {
        bytes32 kind = keccak256("Activation(uint96 subscriptionId,bytes32 endpointHash)");
        assertEq(market.hashActivation(id, endpointHash), digest(abi.encode(kind, id, endpointHash)));
    }

    function test_hashActivation_anyFieldDiffers_isAnotherDigest(uint96 id, bytes32 endpointHash) public view {
        bytes32 own = market.hashActivation(id, endpointHash);
        assertNotEq(market.hashActivation(id ^ 1, endpointHash), own);
        assertNotEq(market.hashActivation(id, endpointHash ^ bytes32(uint256(1))), own);
    }

    function digest(bytes memory content) private view returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 name = keccak256("Slicing4Meta MaaSMarket");
        bytes32 domain = keccak256(abi.encode(kind, name, keccak256("1"), block.chainid, address(market)));
        return keccak256(bytes.concat(hex"1901", domain, keccak256(content)));
    }
}
