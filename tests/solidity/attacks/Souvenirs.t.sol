// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {AttackHouse} from "./AttackHouse.sol";
import {HostileToken} from "./HostileToken.sol";
import {Wall} from "./Wall.sol";

/// @notice A souvenir is minted, sold or lent while somebody else reads the mempool.
contract SouvenirAttackTest is AttackHouse {
    bytes32 private constant SHELL = keccak256("shell");
    string private constant URI = "s4m:shell";
    uint96 private id;

    function setUp() public override {
        super.setUp();
        id = active(unitPlan, 100, 0);
        vm.prank(attacker);
        credit.approve(address(assets), type(uint256).max);
    }

    /// @dev A creator that the token refuses (a blacklist, a hook) forgoes the royalty; later owners still sell.
    function test_attack_creatorRefusedByTheToken_ownersStillSell() public {
        HostileToken token = hostileSale();
        token.blacklist(buyer, true);
        uint256 before = token.balanceOf(provider);
        vm.startPrank(attacker);
        token.approve(address(assets), 1_000);
        assets.buy(1, 1_000);
        assertEq(assets.ownerOf(1), attacker);
        assertEq(token.balanceOf(provider) - before, 1_000, "the buyer pays the same");
    }

    /// @dev An allowance that lacks the royalty evades nothing: the sale is undone.
    function test_attack_royaltyLeftOutOfTheAllowance_buysNothing() public {
        HostileToken token = hostileSale();
        vm.startPrank(attacker);
        token.approve(address(assets), 950);
        vm.expectRevert();
        assets.buy(1, 1_000);
        token.approve(address(assets), 999);
        vm.expectRevert();
        assets.buy(1, 1_000);
        vm.stopPrank();
        assertEq(assets.ownerOf(1), provider);
        assertEq(token.balanceOf(attacker), 1_000);
    }

    function test_attack_mintCopied_mintsToItsCreator() public {
        bytes memory signed = provenance(buyer);
        vm.prank(attacker);
        assertEq(assets.mint(buyer, SHELL, id, URI, signed), 1);
        assertEq(assets.ownerOf(1), buyer);
        assertEq(assets.asset(1).creator, buyer);
        assertEq(assets.tokenURI(1), URI);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
        assets.mint(buyer, SHELL, id, URI, signed);
        assertEq(assets.balanceOf(attacker), 0);
    }

    function test_attack_mintCopiedAndChanged_mintsNothing() public {
        bytes memory signed = provenance(buyer);
        bytes memory refusal = abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, meter);
        vm.startPrank(attacker);
        vm.expectRevert(refusal);
        assets.mint(attacker, SHELL, id, URI, signed);
        vm.expectRevert(refusal);
        assets.mint(buyer, SHELL, id, "s4m:elsewhere", signed);
        vm.expectRevert(refusal);
        assets.mint(buyer, SHELL, id, "", signed);
        vm.expectRevert(refusal);
        assets.mint(buyer, keccak256("other"), id, URI, signed);
        vm.stopPrank();
        assertEq(assets.assetCount(), 0);
        assertEq(assets.assetOfContent(SHELL), 0, "the content is still free");
        assets.mint(buyer, SHELL, id, URI, signed);
    }

    /// @dev Also a service of the attacker's own, with a meter of its own, cannot mint what exists.
    function test_attack_copyByAnotherService_isRefusedNamingTheOriginal() public {
        assets.mint(buyer, SHELL, id, URI, provenance(buyer));
        vm.startPrank(attacker);
        uint32 own = catalog.register(IModelCatalog.Kind.CaaS, "spec", "", attacker, 0);
        IModelCatalog.PlanTerms memory free = terms();
        (free.unitPrice, free.period, free.periodPrice, free.qoeFloor) = (0, 0, 0, 0);
        uint96 foreign = market.buy(catalog.publishPlan(own, free, noShares()), attacker, 1, 0, REQUEST);
        (bytes32 r, bytes32 vs) = compact(attackerKey, market.hashActivation(foreign, ENDPOINT));
        market.activate(foreign, ENDPOINT, r, vs);
        bytes memory signed = sign(attackerKey, assets.hashProvenance(SHELL, attacker, foreign, URI));
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
        assets.mint(attacker, SHELL, foreign, URI, signed);
        vm.stopPrank();
        vm.prank(buyer);
        assets.burn(1);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
        assets.mint(attacker, SHELL, foreign, URI, signed);
        assertEq(assets.asset(1).creator, buyer);
    }

    /// @dev Another service's meter cannot vouch for what was made in this subscription.
    function test_attack_provenanceByAnotherServicesMeter_mintsNothing() public {
        vm.startPrank(attacker);
        catalog.register(IModelCatalog.Kind.CaaS, "spec", "", attacker, 0);
        bytes memory signed = sign(attackerKey, assets.hashProvenance(SHELL, attacker, id, URI));
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, meter));
        assets.mint(attacker, SHELL, id, URI, signed);
    }

    function test_attack_priceChangedBeforeThePurchase_takesNothing() public {
        listed(1_000);
        vm.prank(buyer);
        assets.list(1, 2_000);
        vm.startPrank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.PriceChanged.selector, 1_000, 2_000));
        assets.buy(1, 1_000);
        vm.stopPrank();
        vm.prank(buyer);
        assets.unlist(1);
        vm.startPrank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 2_000);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 0);
        assertEq(credit.balanceOf(attacker), FUNDS);
    }

    /// @dev What is listed cannot be lent, so nobody sells a souvenir that somebody else may still use.
    function test_attack_lentBehindTheBuyersBack_isRefused() public {
        listed(1_000);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.IsListed.selector, 1));
        assets.setUser(1, buyer, type(uint64).max);
        assets.approve(provider, 1);
        vm.stopPrank();
        vm.prank(provider);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.IsListed.selector, 1));
        assets.setUser(1, provider, type(uint64).max);
        vm.startPrank(attacker);
        assets.buy(1, 1_000);
        assertEq(assets.userOf(1), address(0));
        vm.stopPrank();
        vm.prank(provider);
        vm.expectRevert();
        assets.transferFrom(attacker, provider, 1);
    }

    function test_attack_soldTwiceInABlock_goesToTheFirst() public {
        listed(1_000);
        vm.prank(attacker);
        assets.buy(1, 1_000);
        address second = makeAddr("second");
        credit.faucet(second, 1_000);
        vm.startPrank(second);
        credit.approve(address(assets), 1_000);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 1_000);
        assertEq(credit.balanceOf(second), 1_000);
        assertEq(assets.ownerOf(1), attacker);
    }

    function test_attack_purchaseWithoutMoney_movesNothing() public {
        listed(1_000);
        address poor = makeAddr("poor");
        credit.faucet(poor, 999);
        vm.startPrank(poor);
        credit.approve(address(assets), type(uint256).max);
        vm.expectRevert();
        assets.buy(1, 1_000);
        assertEq(assets.ownerOf(1), buyer);
        assertEq(assets.priceOf(1), 1_000, "still for sale");
        assertEq(credit.balanceOf(poor), 999, "the royalty came back, too");
    }

    /// @dev A listing of a former owner sells nothing of the next one's, nor does one of a burned asset.
    function test_attack_oldListing_sellsNothing() public {
        listed(1);
        vm.prank(buyer);
        assets.transferFrom(buyer, provider, 1);
        vm.startPrank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 1);
        vm.stopPrank();
        vm.startPrank(provider);
        assets.list(1, 1);
        assets.burn(1);
        vm.stopPrank();
        vm.startPrank(attacker);
        vm.expectRevert(abi.encodeWithSelector(IDigitalAssets.NotListed.selector, 1));
        assets.buy(1, 1);
        vm.expectRevert();
        assets.list(1, 1);
        assertEq(credit.balanceOf(attacker), FUNDS);
    }

    function test_attack_strangerHandlesASouvenir_isRefused() public {
        listed(1_000);
        bytes memory refusal = abi.encodeWithSelector(IDigitalAssets.NotAssetOwner.selector, 1, buyer, attacker);
        vm.startPrank(attacker);
        vm.expectRevert(refusal);
        assets.list(1, 1);
        vm.expectRevert(refusal);
        assets.unlist(1);
        vm.expectRevert(refusal);
        assets.burn(1);
        vm.expectRevert();
        assets.setUser(1, attacker, type(uint64).max);
        vm.expectRevert();
        assets.transferFrom(buyer, attacker, 1);
        assertEq(assets.priceOf(1), 1_000);
    }

    /// @dev Creator and seller are contracts without a line to receive anything: both are paid, no callback is made.
    function test_attack_creatorAndSellerAreWalls_arePaid() public {
        Wall creator = new Wall();
        Wall seller = new Wall();
        assets.mint(address(creator), SHELL, id, URI, provenance(address(creator)));
        assertEq(assets.ownerOf(1), address(creator));
        vm.prank(address(creator));
        assets.transferFrom(address(creator), address(seller), 1);
        vm.prank(address(seller));
        assets.list(1, 1_000);
        vm.prank(attacker);
        assets.buy(1, 1_000);
        assertEq(credit.balanceOf(address(creator)), 50);
        assertEq(credit.balanceOf(address(seller)), 950);
        assertEq(credit.balanceOf(attacker), FUNDS - 1_000);
    }

    function listed(uint256 price) private {
        assets.mint(buyer, SHELL, id, URI, provenance(buyer));
        vm.prank(buyer);
        assets.list(1, price);
    }

    function provenance(address creator) private view returns (bytes memory) {
        return sign(meterKey, assets.hashProvenance(SHELL, creator, id, URI));
    }

    /// @dev A work of the buyer's, on sale by its second owner for 1,000 of a token that the attacker has.
    function hostileSale() private returns (HostileToken token) {
        token = new HostileToken();
        market = deployMarket(address(catalog), address(token));
        assets = deployAssets(address(market));
        token.mint(buyer, FUNDS);
        token.mint(attacker, 1_000);
        vm.prank(buyer);
        token.approve(address(market), FUNDS);
        uint96 made = active(unitPlan, 1, 0);
        assets.mint(buyer, SHELL, made, "", sign(meterKey, assets.hashProvenance(SHELL, buyer, made, "")));
        vm.prank(buyer);
        assets.transferFrom(buyer, provider, 1);
        vm.prank(provider);
        assets.list(1, 1_000);
    }
}
