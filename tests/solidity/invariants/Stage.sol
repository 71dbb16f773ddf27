// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {Deploy, ICatalogToken} from "../Deploy.sol";

/// @dev A buyer that is a contract: its holder's signatures count as its own.
contract ContractWallet is IERC1271 {
    address private immutable HOLDER;

    constructor(address holder) {
        HOLDER = holder;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
        return signer == HOLDER ? this.isValidSignature.selector : bytes4(0);
    }
}

/// @title Where the stateful runs play: one market, its people, and plans at the corners of what can be published
abstract contract Stage is Deploy {
    uint256 internal constant FUNDS = 1 << 112;
    uint256 internal constant MOST = type(uint96).max; // what a purchase can reserve
    uint256 internal constant EARNABLE = type(uint88).max; // what a plan can earn
    uint64 internal constant DEAR_UNIT = type(uint64).max;
    uint96 internal constant DEAR_PERIOD = 1 << 90;

    ICatalogToken internal immutable catalog;
    ERC20Permit internal immutable token;
    IMaaSMarket internal immutable market;

    /// @dev Everybody who may ever have money; the first are the buyers.
    address[] internal people;
    address[] internal buyers;
    address[] internal owners;
    address[] internal sessions;
    /// @dev Two buyers give the market no standing allowance: they approve or permit what they spend.
    mapping(address who => bool) internal careful;
    mapping(address who => uint256 key) internal keyOf;

    uint256 private _clock = 1_800_000_000;
    uint32[] internal components;
    uint64[] internal plans;

    constructor(ERC20Permit token_) {
        vm.warp(_clock);
        vm.recordLogs();
        token = token_;
        catalog = deployCatalog();
        market = deployMarket(address(catalog), address(token_));
        _cast();
        _registerModels();
    }

    function _cast() private {
        for (uint256 i = 0; i < 5; ++i) {
            sessions.push(_named(string.concat("session ", vm.toString(i))));
        }
        buyers = [_named("standing buyer"), _named("careful buyer"), _named("second careful buyer")];
        (careful[buyers[1]], careful[buyers[2]]) = (true, true);
        address holder = _named("holder of the wallet");
        buyers.push(address(new ContractWallet(holder)));
        keyOf[buyers[3]] = keyOf[holder];
        owners = [_named("provider"), _named("other provider"), _named("component owner"), _named("other owner")];
        people = buyers;
        for (uint256 i = 0; i < owners.length; ++i) {
            people.push(owners[i]);
        }
        people.push(_named("giver"));
        people.push(_named("relayer"));
        people.push(_named("stranger"));
        for (uint256 i = 0; i < people.length; ++i) {
            _fund(people[i]);
        }
    }

    function _fund(address who) internal {
        deal(address(token), who, FUNDS, true);
        if (careful[who]) return;
        vm.prank(who);
        token.approve(address(market), type(uint256).max);
    }

    /// @dev Units only, time only, both; composites with shares that round worst; seconds; prices near the widths.
    function _registerModels() private {
        for (uint256 i = 0; i < 8; ++i) {
            components.push(_register(owners[i == 0 ? 0 : 2 + i % 2], IModelCatalog.Kind.TaaS));
        }
        uint32 first = _register(owners[0], IModelCatalog.Kind.Composite);
        uint32 second = _register(owners[1], IModelCatalog.Kind.Composite);
        uint32 third = _register(owners[1], IModelCatalog.Kind.CaaS);
        IModelCatalog.Share[] memory none;
        plans.push(_publish(first, _terms(25_000, 0, 0, 1 hours, 1 days), none));
        plans.push(_publish(third, _terms(0, 1_000_003, 7 days, 1 days, 1 hours), none));
        plans.push(_publish(first, _terms(25_000, 1_000_003, 7 days, 1 hours, 1 days), none));
        plans.push(_publish(first, _terms(1, 0, 0, 1 hours, 1 days), _equalShares(8, 1_250)));
        plans.push(_publish(second, _terms(1, 7, 1 hours, 30 days, 30 days), _equalShares(3, 3_333)));
        plans.push(_publish(third, _terms(1, 1, 1, 1 hours, 1), none));
        plans.push(_publish(second, _terms(DEAR_UNIT, DEAR_PERIOD, 366 days, 7 days, 30 days), none));
    }

    function _register(address owner, IModelCatalog.Kind kind) private returns (uint32 modelId) {
        vm.startPrank(owner);
        modelId = catalog.register(kind, "spec", "s4m:documents/spec", address(0), 0);
        if (kind != IModelCatalog.Kind.Composite) catalog.setAsk(modelId, 1_000);
        vm.stopPrank();
    }

    function _publish(uint32 modelId, IModelCatalog.PlanTerms memory terms, IModelCatalog.Share[] memory shares)
        private
        returns (uint64)
    {
        vm.prank(catalog.ownerOf(modelId));
        return catalog.publishPlan(modelId, terms, shares);
    }

    function _equalShares(uint256 count, uint16 bps) private view returns (IModelCatalog.Share[] memory shares) {
        shares = new IModelCatalog.Share[](count);
        for (uint256 i = 0; i < count; ++i) {
            shares[i] = IModelCatalog.Share({modelId: components[i], bps: bps});
        }
    }

    function _terms(uint64 unitPrice, uint96 periodPrice, uint32 period, uint32 releaseWindow, uint32 activationWindow)
        internal
        pure
        returns (IModelCatalog.PlanTerms memory)
    {
        return IModelCatalog.PlanTerms({
            unitPrice: unitPrice,
            periodPrice: periodPrice,
            period: period,
            releaseWindow: releaseWindow,
            activationWindow: activationWindow,
            qoeFloor: 0,
            termsHash: keccak256("terms")
        });
    }

    function _named(string memory name) private returns (address who) {
        uint256 key;
        (who, key) = makeAddrAndKey(name);
        keyOf[who] = key;
    }

    function _sign(address who, bytes32 digest) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[who], digest);
        return abi.encodePacked(r, s, v);
    }

    function _signCompact(address who, bytes32 digest) internal view returns (bytes32, bytes32) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keyOf[who], digest);
        return (r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    /// @dev Not `block.timestamp`: the optimizer takes that for a constant of the whole call, also across `vm.warp`.
    function nowAt() internal view returns (uint256) {
        return _clock;
    }

    /// @dev Forward only, and never so far that nothing can be bought any more (times end in the year 2106).
    function _warpTo(uint256 time) internal {
        if (time <= _clock || time > _clock + 500 days) return;
        _clock = time;
        vm.warp(time);
    }

    /// @dev All of a step's choices follow from its one fuzzed seed.
    function _dice(uint256 seed, uint256 throw_) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, throw_)));
    }

    /// @dev Nothing, one, all, or any amount of any size up to `most`.
    function _amount(uint256 dice, uint256 most) internal pure returns (uint256) {
        if (dice % 16 < 3) return dice % 16 == 0 ? 0 : dice % 16 == 1 ? most : most < 1 ? most : 1;
        uint256 size = (dice >> 128) % 120;
        return _bound(dice >> 4, 0, most >> size == 0 ? most : most >> size);
    }

    // Each of forge-std's assertions is a call of a cheatcode. These are asked millions of times: they call it only to fail.

    function assertEq(uint256 left, uint256 right, string memory why) internal pure override {
        if (left != right) super.assertEq(left, right, why);
    }

    function assertEq(int256 left, int256 right, string memory why) internal pure override {
        if (left != right) super.assertEq(left, right, why);
    }

    function assertEq(address left, address right, string memory why) internal pure override {
        if (left != right) super.assertEq(left, right, why);
    }

    function assertEq(bytes32 left, bytes32 right, string memory why) internal pure override {
        if (left != right) super.assertEq(left, right, why);
    }

    function assertEq(bool left, bool right, string memory why) internal pure override {
        if (left != right) super.assertEq(left, right, why);
    }

    function assertLe(uint256 left, uint256 right, string memory why) internal pure override {
        if (left > right) super.assertLe(left, right, why);
    }

    function assertGe(uint256 left, uint256 right, string memory why) internal pure override {
        if (left < right) super.assertGe(left, right, why);
    }

    function assertTrue(bool holds, string memory why) internal pure override {
        if (!holds) super.assertTrue(holds, why);
    }

    function assertFalse(bool holds, string memory why) internal pure override {
        if (holds) super.assertFalse(holds, why);
    }
}
