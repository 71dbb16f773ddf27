// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IAssetToken} from "../Deploy.sol";
import {MaaSCredit} from "../../../contracts/devnet/MaaSCredit.sol";
import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {Counted, Runs} from "./Runs.sol";
import {Stage} from "./Stage.sol";

/// @dev Steps with assets: most are valid, the rest must be refused. Keeps its own books.
contract Makers is Stage, Counted {
    enum Wanted {
        Living,
        Free,
        Listed
    }

    struct Made {
        address owner;
        address creator;
        bytes32 contentHash;
        uint96 subscriptionId;
        bool burned;
        uint256 price;
        address user;
        uint64 expires;
    }

    bytes32 private constant REQUEST = keccak256("request");
    string private constant URI = "s4m:documents/asset";

    IAssetToken private immutable assets;
    Made[] private made;
    uint256 private living;
    mapping(bytes32 contentHash => uint256) private takenBy;
    uint96[] private subscriptions;

    /// @dev Two active subscriptions under one meter key each, one that is only bought.
    constructor() Stage(new MaaSCredit()) {
        assets = deployAssets(address(market));
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(buyers[0]);
            subscriptions.push(market.buy(plans[i], sessions[i], 10, i == 0 ? 0 : 1, REQUEST));
            vm.startPrank(catalog.ownerOf(plans[i] >> 32));
            catalog.setMeterKey(uint32(plans[i] >> 32), sessions[i == 1 ? 4 : 3]);
            vm.stopPrank();
            if (i == 2) break;
            (bytes32 r, bytes32 vs) = _signCompact(sessions[i], market.hashActivation(subscriptions[i], 0));
            market.activate(subscriptions[i], 0, r, vs);
        }
        for (uint256 i = 0; i < people.length; ++i) {
            vm.prank(people[i]);
            token.approve(address(assets), type(uint256).max);
        }
    }

    /// @dev A copy, another's signature or a subscription that is not active makes nothing.
    function mint(uint256 seed) external {
        uint256 mode = _dice(seed, 0) % 16;
        uint256 which = mode == 0 ? 2 : _dice(seed, 1) % 2;
        uint96 id = subscriptions[which];
        address creator = _person(seed, 2);
        bool copy = mode == 1 && made.length != 0;
        bytes32 content =
            copy ? made[_dice(seed, 3) % made.length].contentHash : keccak256(abi.encode(seed, made.length));
        address meter = catalog.meterKeyOf(uint32(id >> 64));
        address signer = mode == 2 ? buyers[1] : meter;
        bytes memory provenance = _sign(signer, assets.hashProvenance(content, creator, id, URI));
        address named = mode == 3 ? buyers[2] : creator;
        bool right = mode > 3 || (mode == 1 && !copy) || (mode == 3 && creator == buyers[2]);
        bytes memory call = abi.encodeCall(IDigitalAssets.mint, (named, content, id, URI, provenance));
        if (!_by(_person(seed, 4), call, right)) return;
        (takenBy[content], living) = (made.length + 1, living + 1);
        made.push(Made(creator, creator, content, id, false, 0, address(0), 0));
    }

    function burn(uint256 seed) external {
        if (_dice(seed, 40) % 4 != 0) return; // else there is soon nothing left
        (uint256 assetId, address caller) = _assetAndCaller(seed, Wanted.Free);
        Made storage one = made[assetId - 1];
        bool right = caller == one.owner && !one.burned && !_isRented(one);
        if (!_by(caller, abi.encodeCall(IDigitalAssets.burn, (assetId)), right)) return;
        (one.burned, one.owner, one.price, living) = (true, address(0), 0, living - 1);
    }

    function list(uint256 seed) external {
        (uint256 assetId, address caller) = _assetAndCaller(seed, Wanted.Free);
        Made storage one = made[assetId - 1];
        uint256 price = _amount(_dice(seed, 1), 1e12);
        bool right = caller == one.owner && !one.burned && !_isRented(one) && price != 0;
        if (_by(caller, abi.encodeCall(IDigitalAssets.list, (assetId, price)), right)) one.price = price;
    }

    function unlist(uint256 seed) external {
        _listOne(seed);
        (uint256 assetId, address caller) = _assetAndCaller(seed, Wanted.Listed);
        Made storage one = made[assetId - 1];
        bool right = caller == one.owner && one.price != 0;
        if (_by(caller, abi.encodeCall(IDigitalAssets.unlist, (assetId)), right)) one.price = 0;
    }

    /// @dev A3: the price and nothing else goes from the buyer, all of it to seller and creator.
    function buy(uint256 seed) external {
        _listOne(seed);
        uint256 assetId = _find(seed, Wanted.Listed);
        Made storage one = made[assetId - 1];
        address buyer = _person(seed, 1);
        uint256 expected = _dice(seed, 2) % 8 == 0 ? one.price + 1 : one.price;
        bool right = one.price != 0 && expected == one.price;
        uint256[] memory purses = _purses();
        if (!_by(buyer, abi.encodeCall(IDigitalAssets.buy, (assetId, expected)), right)) return;
        uint256 royalty = one.price * 500 / 10_000;
        for (uint256 i = 0; i < people.length; ++i) {
            uint256 due = purses[i];
            if (people[i] == one.owner) due += one.price - royalty;
            if (people[i] == one.creator) due += royalty;
            if (people[i] == buyer) due -= one.price;
            assertEq(token.balanceOf(people[i]), due, "A3: price to seller and creator");
        }
        (one.owner, one.price) = (buyer, 0);
    }

    function setUser(uint256 seed) external {
        (uint256 assetId, address caller) = _assetAndCaller(seed, Wanted.Free);
        Made storage one = made[assetId - 1];
        address user = _dice(seed, 1) % 4 == 0 ? address(0) : _person(seed, 2);
        uint64 expires = uint64(nowAt() - 1 + _amount(_dice(seed, 3), 4 weeks));
        bool right = caller == one.owner && !one.burned && one.price == 0;
        if (!_by(caller, abi.encodeCall(IDigitalAssets.setUser, (assetId, user, expires)), right)) return;
        (one.user, one.expires) = (user, expires);
    }

    function transfer(uint256 seed) external {
        (uint256 assetId, address caller) = _assetAndCaller(seed, Wanted.Living);
        Made storage one = made[assetId - 1];
        address to = _person(seed, 1);
        bool right = caller == one.owner && !one.burned;
        bytes memory call = abi.encodeCall(assets.transferFrom, (one.owner, to, assetId));
        if (_by(caller, call, right)) (one.owner, one.price) = (to, 0);
    }

    function wait(uint256 seed) external {
        Made storage one = made[_dice(seed, 0) % _madeAtAll(seed)];
        if (_dice(seed, 1) % 2 == 0) _warpTo(uint256(one.expires) + _dice(seed, 2) % 2);
        else _warpTo(nowAt() + _amount(_dice(seed, 2), 2 weeks));
        _count(true);
    }

    function check() external view override {
        assertEq(assets.assetCount(), made.length, "A1: numbered");
        assertEq(token.balanceOf(address(assets)), 0, "A3: it holds no money");
        for (uint256 i = 0; i < made.length; ++i) {
            _checkAsset(i + 1, made[i]);
        }
    }

    function _checkAsset(uint256 assetId, Made storage one) private view {
        IDigitalAssets.Asset memory seen = assets.asset(assetId);
        assertEq(assets.assetOfContent(one.contentHash), assetId, "A1: content is taken for ever");
        assertEq(takenBy[one.contentHash], assetId, "A1: by one asset");
        assertEq(seen.contentHash, one.contentHash, "A1: content never changes");
        assertEq(seen.creator, one.creator, "A1: nor its creator");
        assertEq(seen.subscriptionId, one.subscriptionId, "A1: nor its provenance");
        address user = assets.userOf(assetId);
        uint256 price = assets.priceOf(assetId);
        assertEq(user, _isRented(one) ? one.user : address(0), "A2: user as set, until it expires");
        assertEq(price, one.price, "A2: price as listed");
        assertTrue(price == 0 || user == address(0), "A2: never listed and rented");
        if (!one.burned) assertEq(assets.ownerOf(assetId), one.owner, "A4: moved by its owner, or sold");
    }

    function _by(address caller, bytes memory call, bool right) private returns (bool passed) {
        vm.prank(caller);
        (passed,) = address(assets).call(call);
        assertEq(passed, right, "A4: passes exactly for its owner and within the rules");
        _count(passed);
    }

    /// @dev Mostly the owner of one that is as wanted, if there is any.
    function _assetAndCaller(uint256 seed, Wanted wanted) private returns (uint256 assetId, address caller) {
        assetId = _find(seed, _dice(seed, 34) % 8 == 0 ? Wanted.Living : wanted);
        caller = _dice(seed, 31) % 8 == 0 ? _person(seed, 32) : made[assetId - 1].owner;
        if (caller == address(0)) caller = _person(seed, 32);
    }

    /// @dev So that there is one to buy or to take down.
    function _listOne(uint256 seed) private {
        if (_isAs(Wanted.Listed, made[_find(seed, Wanted.Listed) - 1])) return;
        uint256 assetId = _find(seed, Wanted.Free);
        Made storage one = made[assetId - 1];
        if (!_isAs(Wanted.Free, one)) return;
        one.price = 1 + _amount(_dice(seed, 35), 1e12);
        vm.prank(one.owner);
        assets.list(assetId, one.price);
    }

    function _find(uint256 seed, Wanted wanted) private returns (uint256 assetId) {
        uint256 count = _madeAtAll(seed);
        assetId = 1 + _dice(seed, 30) % count;
        for (uint256 i = 0; i < count && !_isAs(wanted, made[assetId - 1]); ++i) {
            assetId = assetId % count + 1;
        }
    }

    function _isAs(Wanted wanted, Made storage one) private view returns (bool) {
        if (wanted == Wanted.Listed) return one.price != 0;
        return !one.burned && (wanted == Wanted.Living || (one.price == 0 && !_isRented(one)));
    }

    /// @dev At least one of them is not burned.
    function _madeAtAll(uint256 seed) private returns (uint256) {
        for (uint256 i = 0; living == 0; ++i) {
            this.mint(_dice(seed, 600 + i));
        }
        return made.length;
    }

    function _isRented(Made storage one) private view returns (bool) {
        return one.user != address(0) && one.expires >= nowAt();
    }

    function _purses() private view returns (uint256[] memory purses) {
        purses = new uint256[](people.length);
        for (uint256 i = 0; i < people.length; ++i) {
            purses[i] = token.balanceOf(people[i]);
        }
    }

    function _person(uint256 seed, uint256 throw_) private view returns (address) {
        return people[_dice(seed, throw_) % people.length];
    }
}

/// @notice Invariants A1 to A4 of docs/invariants.md.
contract AssetInvariantsTest is Runs {
    function setUp() public {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = Makers.mint.selector;
        selectors[1] = Makers.burn.selector;
        selectors[2] = Makers.list.selector;
        selectors[3] = Makers.unlist.selector;
        selectors[4] = Makers.buy.selector;
        selectors[5] = Makers.setUser.selector;
        selectors[6] = Makers.transfer.selector;
        selectors[7] = Makers.wait.selector;
        _enter(new Makers(), selectors);
    }

    /// forge-config: default.invariant.check-interval = 16
    /// @dev What is true of a state; A3 and A4 are judged within each step.
    function invariant_A1toA4_holdInEveryState() public {
        players.check();
    }
}
