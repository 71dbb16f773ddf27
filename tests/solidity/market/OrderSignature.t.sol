// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {MarketUnit} from "./MarketUnit.sol";

/// @dev A contract account whose owner signs for it.
contract Purse is IERC1271 {
    address private immutable OWNER;

    constructor(address owner) {
        OWNER = owner;
    }

    function isValidSignature(bytes32 hash, bytes memory signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == OWNER ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @dev Takes any call and says nothing.
contract Mute {
    fallback() external {}
}

/// @notice Who may order for a buyer.
contract OrderSignatureTest is MarketUnit {
    function test_buyFor_anotherSigned_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        refusedSignature(wanted, sign(sessionKey, market.hashOrder(wanted)));
        refusedSignature(wanted, sign(meterKey, market.hashOrder(wanted)));
    }

    function test_buyFor_anyFieldIsNotWhatWasSigned_isRefused() public {
        IMaaSMarket.Order memory signed = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(signed));
        for (uint256 field = 0; field < 8; ++field) {
            IMaaSMarket.Order memory changed = order(10, 1);
            if (field == 0) changed.buyer = friend;
            if (field == 1) changed.planId = compositePlan;
            if (field == 2) changed.signer = friend;
            if (field == 3) (changed.cap, changed.total) = (11, signed.total + UNIT_PRICE);
            if (field == 4) (changed.periods, changed.total) = (2, signed.total + PERIOD_PRICE);
            if (field == 5) changed.requirementsHash = keccak256("other");
            if (field == 6) changed.deadline += 1;
            if (field == 7) {
                vm.prank(buyer);
                market.cancelOrders(1);
                changed.nonce = 1;
            }
            refusedSignature(changed, signature);
        }
    }

    function test_buyFor_signedForAnotherChain_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.chainId(block.chainid + 1);
        refusedSignature(wanted, signature);
    }

    function test_buyFor_signedForAnotherMarket_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        market = deployMarket(address(catalog), address(credit));
        refusedSignature(wanted, signature);
    }

    function test_buyFor_theSignatureHasAnotherLength_isRefused(bytes calldata given) public {
        bytes memory signature = given.length == 65 ? given[1:] : given;
        refusedSignature(order(10, 1), signature);
    }

    function test_buyFor_theSignatureHasAHighS_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = mirrored(sign(buyerKey, market.hashOrder(wanted)));
        (bytes32 r, bytes32 s, uint8 v) = parts(signature);
        assertEq(ecrecover(market.hashOrder(wanted), v, r, s), buyer, "the curve takes it");
        refusedSignature(wanted, signature);
    }

    function test_buyFor_theBuyerIsTheZeroAddress_isRefused() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        wanted.buyer = address(0);
        refusedSignature(wanted, new bytes(65));
    }

    function test_buyFor_itsOwnKeySigned_buysWithoutAskingTheCode() public {
        IMaaSMarket.Order memory wanted = order(10, 1);
        bytes memory signature = sign(buyerKey, market.hashOrder(wanted));
        vm.etch(buyer, address(new Mute()).code);
        assertEq(market.subscription(market.buyFor(wanted, signature, noPermit())).buyer, buyer);
    }

    function test_buyFor_itsCodeAcceptsTheSignature_buys() public {
        IMaaSMarket.Order memory wanted = orderOf(address(new Purse(session)));
        bytes memory signature = sign(sessionKey, market.hashOrder(wanted));
        assertEq(market.subscription(market.buyFor(wanted, signature, noPermit())).buyer, wanted.buyer);
        assertEq(tokens(wanted.buyer), 1e12 - wanted.total);
    }

    function test_buyFor_itsCodeRejectsTheSignature_isRefused() public {
        IMaaSMarket.Order memory wanted = orderOf(address(new Purse(session)));
        refusedSignature(wanted, sign(buyerKey, market.hashOrder(wanted)));
    }

    function test_buyFor_itsCodeReverts_isRefused() public {
        refusedSignature(orderOf(address(new Purse(session))), "");
    }

    function test_buyFor_itsCodeAnswersNothing_isRefused() public {
        IMaaSMarket.Order memory wanted = orderOf(address(new Mute()));
        refusedSignature(wanted, sign(buyerKey, market.hashOrder(wanted)));
    }

    function orderOf(address account) private returns (IMaaSMarket.Order memory wanted) {
        fund(account, 1e12);
        wanted = order(10, 1);
        wanted.buyer = account;
    }

    function refusedSignature(IMaaSMarket.Order memory wanted, bytes memory signature) private {
        bytes memory call = abi.encodeCall(market.buyFor, (wanted, signature, noPermit()));
        refused(anyone, call, abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, wanted.buyer));
    }
}
