// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {House} from "../House.sol";

/// @title The house with a well-funded attacker in it, and the means to say that an attack moved nothing
abstract contract AttackHouse is House {
    struct Assertion {
        bytes32 x;
        bytes32 y;
        bytes data;
        string json;
        bytes32 r;
        bytes32 s;
    }

    uint256 internal constant P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
    uint256 private constant PASSKEY = 0xb0b;

    address internal attacker;
    uint256 internal attackerKey;

    function setUp() public virtual override {
        super.setUp();
        (attacker, attackerKey) = makeAddrAndKey("attacker");
        fund(attacker);
    }

    function fund(address someone) internal {
        credit.faucet(someone, FUNDS);
        vm.prank(someone);
        credit.approve(address(market), type(uint256).max);
    }

    /// @dev Everything that an attack on `id` could move: the money of all, the subscription, its plan, the rights.
    function books(uint96 id) internal view returns (bytes32) {
        uint64 plan = uint64(id >> 32);
        (uint96 all, uint96 paid) = market.earningsOf(plan);
        bytes memory money = abi.encode(wealth(buyer), wealth(attacker), wealth(provider), wealth(componentOwner));
        bytes memory plans = abi.encode(all, paid, credit.balanceOf(address(market)), nonceOf(buyer));
        bytes memory times = abi.encode(market.activationDeadlineOf(id), market.releasableAt(id));
        return keccak256(abi.encode(money, plans, times, market.subscription(id), assets.assetCount()));
    }

    /// @dev Tokens in the hand and in the market's account.
    function wealth(address someone) internal view returns (uint256) {
        return credit.balanceOf(someone) + balance(someone);
    }

    function nonceOf(address someone) internal view returns (uint64 nonce) {
        (, nonce) = market.accountOf(someone);
    }

    function used(uint96 id) internal view returns (uint256) {
        return market.subscription(id).used;
    }

    function skipped(IMaaSMarket.Voucher memory one, IMaaSMarket.SkipReason reason) internal {
        bytes32 kept = books(one.subscriptionId);
        expectSkipped(one.subscriptionId, reason);
        settle(one);
        assertEq(books(one.subscriptionId), kept, "a skipped voucher moves nothing");
    }

    function expectSkipped(uint96 id, IMaaSMarket.SkipReason reason) internal {
        vm.expectEmit(address(market));
        emit IMaaSMarket.Skipped(id, reason);
    }

    function collect(uint96 id) internal {
        uint96[] memory ids = new uint96[](1);
        ids[0] = id;
        market.collectTime(ids);
    }

    /// @dev A plan of the composite's owner; units only where `period` is zero.
    function publish(uint64 unitPrice, uint32 period, uint96 periodPrice, IModelCatalog.Share[] memory shares)
        internal
        returns (uint64)
    {
        IModelCatalog.PlanTerms memory wanted = terms();
        (wanted.unitPrice, wanted.period, wanted.periodPrice) = (unitPrice, period, periodPrice);
        if (unitPrice == 0) wanted.qoeFloor = 0;
        vm.prank(provider);
        return catalog.publishPlan(composite, wanted, shares);
    }

    function noShares() internal pure returns (IModelCatalog.Share[] memory) {
        return new IModelCatalog.Share[](0);
    }

    /// @dev The other valid solution of the curve for the same message: same r, s' = n - s, parity flipped.
    function twin(uint256 key, bytes32 digest) internal pure returns (uint8 v, bytes32 r, bytes32 s) {
        (v, r, s) = vm.sign(key, digest);
        return (v == 27 ? 28 : 27, r, bytes32(SECP256K1_ORDER - uint256(s)));
    }

    /// @dev What an authenticator signs so that `account` may bind its key at the registry on `chainId`.
    function assertionFor(address account, address registry, uint256 chainId)
        internal
        pure
        returns (Assertion memory made)
    {
        (uint256 x, uint256 y) = vm.publicKeyP256(PASSKEY);
        (made.x, made.y) = (bytes32(x), bytes32(y));
        bytes32 challenge = sha256(abi.encode(chainId, registry, account, x, y));
        made.json = string.concat(
            '{"type":"webauthn.get","challenge":"',
            Base64.encodeURL(bytes.concat(challenge)),
            '","origin":"https://localhost"}'
        );
        made.data = abi.encodePacked(sha256("localhost"), bytes1(0x05), uint32(1));
        (made.r, made.s) = vm.signP256(PASSKEY, sha256(abi.encodePacked(made.data, sha256(bytes(made.json)))));
        if (uint256(made.s) > P256_ORDER / 2) made.s = bytes32(P256_ORDER - uint256(made.s));
    }

    function notSignedBy(address expected) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.BadSignature.selector, expected);
    }
}
