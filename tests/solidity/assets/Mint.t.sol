// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IDigitalAssets} from "../../../contracts/interfaces/IDigitalAssets.sol";
import {IAssetToken} from "../House.sol";
import {AssetsUnit} from "./AssetsUnit.sol";

interface IDeployedAssets {
    function MARKET() external view returns (address);
    function CATALOG() external view returns (address);
    function TOKEN() external view returns (address);
}

/// @notice An asset comes to be, once for each content, and goes.
contract MintTest is AssetsUnit {
    function test_constructor_takesCatalogueAndTokenFromTheMarket() public view {
        IDeployedAssets deployed = IDeployedAssets(address(assets));
        assertEq(deployed.MARKET(), address(market));
        assertEq(deployed.CATALOG(), address(catalog));
        assertEq(deployed.TOKEN(), address(credit));
        assertEq(assets.name(), "Slicing4Meta Asset");
        assertEq(assets.symbol(), "S4MA");
    }

    function test_mint_theContentWasMinted_isRefusedNamingTheOriginal() public {
        mint(keccak256("first"));
        mint(SHELL);
        refusedMint(provenance(meterKey, SHELL), abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 2));
    }

    function test_mint_theContentWasMintedAndBurned_isRefusedNamingTheOriginal() public {
        mint(SHELL);
        vm.prank(buyer);
        assets.burn(1);
        refusedMint(provenance(meterKey, SHELL), abi.encodeWithSelector(IDigitalAssets.ContentExists.selector, 1));
    }

    function test_mint_aSubscriptionThatIsNotActive_isRefused() public {
        refusedInactive(uint96(planId) << 32 | 99); // none
        uint96 purchased = buy(planId, 1, 1);
        refusedInactive(purchased);
        vm.warp(nowAt() + ACTIVATION_WINDOW + 1);
        refusedInactive(purchased); // refundable
        market.refund(purchased);
        refusedInactive(purchased); // refunded
        vm.prank(buyer);
        market.requestRelease(id);
        refusedInactive(id); // releasing
        vm.prank(provider);
        market.release(id);
        refusedInactive(id); // released
    }

    function test_mint_aModelWithoutMeterKey_isRefused() public {
        bytes memory signed = provenance(meterKey, SHELL);
        vm.prank(provider);
        catalog.setMeterKey(composite, address(0));
        refusedMint(signed, badProvenance(address(0)));
        refusedMint(new bytes(65), badProvenance(address(0)));
    }

    function test_mint_aModelThatWasSold_isRefusedUntilTheNewOwnersMeterSigns() public {
        vm.prank(provider);
        catalog.transferFrom(provider, seller, composite);
        refusedMint(provenance(meterKey, SHELL), badProvenance(address(0)));
        vm.prank(seller);
        catalog.setMeterKey(composite, session);
        refusedMint(provenance(meterKey, SHELL), badProvenance(session));
        assertEq(assets.mint(buyer, SHELL, id, PLACE, provenance(sessionKey, SHELL)), 1);
    }

    function test_mint_anotherSignedTheProvenance_isRefused(uint256 key) public {
        key = boundPrivateKey(key);
        vm.assume(vm.addr(key) != meter);
        refusedMint(provenance(key, SHELL), badProvenance(meter));
    }

    function test_mint_anyFieldIsNotWhatWasSigned_isRefused() public {
        bytes memory signed = provenance(meterKey, SHELL);
        uint96 other = active(unitPlan, 1, 0);
        bytes memory reason = badProvenance(meter);
        refused(stranger, abi.encodeCall(assets.mint, (stranger, SHELL, id, PLACE, signed)), reason);
        refused(stranger, abi.encodeCall(assets.mint, (buyer, keccak256("other"), id, PLACE, signed)), reason);
        refused(stranger, abi.encodeCall(assets.mint, (buyer, SHELL, other, PLACE, signed)), reason);
        refused(stranger, abi.encodeCall(assets.mint, (buyer, SHELL, id, "s4m:other", signed)), reason);
    }

    function test_mint_signedForAnotherChain_isRefused() public {
        bytes memory signed = provenance(meterKey, SHELL);
        vm.chainId(block.chainid + 1);
        refusedMint(signed, badProvenance(meter));
    }

    function test_mint_signedForAnotherRegistry_isRefused() public {
        bytes memory signed = provenance(meterKey, SHELL);
        assets = deployAssets(address(market));
        refusedMint(signed, badProvenance(meter));
    }

    function test_mint_theSignatureIsMalformed_isRefused(bytes memory given) public {
        bytes memory right = provenance(meterKey, SHELL);
        vm.assume(keccak256(given) != keccak256(right));
        refusedMint(given, badProvenance(meter));
        refusedMint(mirrored(right), badProvenance(meter));
    }

    function test_mint_toTheZeroAddress_isRefused() public {
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, address(0), id, PLACE));
        bytes memory reason = abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0));
        refused(stranger, abi.encodeCall(assets.mint, (address(0), SHELL, id, PLACE, signed)), reason);
    }

    function test_mint_anyoneBringsTheMetersSignature_mintsToTheCreatorAndTellsAllOfIt(
        bytes32 content,
        address creator,
        string memory uri
    ) public {
        vm.assume(creator != address(0));
        bytes memory signed = sign(meterKey, assets.hashProvenance(content, creator, id, uri));
        vm.expectEmit(address(assets));
        emit IERC721.Transfer(address(0), creator, 1);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetMinted(1, creator, id, content, uri);
        vm.prank(stranger);
        assertEq(assets.mint(creator, content, id, uri, signed), 1);
        assertEq(assets.ownerOf(1), creator);
        assertEq(assets.tokenURI(1), uri);
        assertEq(assets.assetOfContent(content), 1);
        assertEq(assets.priceOf(1) + assets.userExpires(1), 0);
        expectAsset(1, IDigitalAssets.Asset(content, creator, id, uri));
    }

    function test_mint_again_takesTheNextNumber() public {
        assertEq(mint(keccak256("first")), 1);
        assertEq(mint(keccak256("second")), 2);
        vm.prank(buyer);
        assets.burn(2);
        assertEq(mint(keccak256("third")), 3);
    }

    function test_burn_noSuchAsset_isRefused(uint256 number) public {
        refused(buyer, abi.encodeCall(assets.burn, (number)), nonexistent(number));
    }

    function test_burn_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != seller);
        uint256 number = made();
        refused(caller, abi.encodeCall(assets.burn, (number)), notOwner(number, caller));
    }

    function test_burn_aRentedAsset_isRefused() public {
        (uint256 number, uint64 until) = rented();
        vm.warp(until);
        refused(seller, abi.encodeCall(assets.burn, (number)), rentedUntil(number, until));
    }

    function test_burn_aRentalThatEnded_burns() public {
        (uint256 number, uint64 until) = rented();
        vm.warp(uint256(until) + 1);
        burned(number);
    }

    function test_burn_aListedAsset_burnsAndVoidsTheListing() public {
        uint256 number = listed(6);
        vm.expectEmit(address(assets));
        emit IERC721.Transfer(seller, address(0), number);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetUnlisted(number);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetBurned(number);
        vm.prank(seller);
        assets.burn(number);
        assertEq(assets.priceOf(number), 0);
        refused(buyer, abi.encodeCall(assets.buy, (number, 6)), notListed(number));
    }

    function test_burn_byTheOwner_burnsAndItsProvenanceStays() public {
        uint256 number = made();
        burned(number);
        expectAsset(number, IDigitalAssets.Asset(SHELL, buyer, id, PLACE));
        assertEq(assets.assetOfContent(SHELL), number);
    }

    function test_asset_noSuchAsset_isRefused(uint256 number) public {
        made();
        if (number == 1) number = 2;
        refused(buyer, abi.encodeCall(assets.asset, (number)), nonexistent(number));
        refused(buyer, abi.encodeCall(assets.asset, (0)), nonexistent(0));
    }

    function test_asset_anAsset_tellsAllOfIt() public {
        expectAsset(made(), IDigitalAssets.Asset(SHELL, buyer, id, PLACE));
    }

    function test_asset_aBurnedAsset_stillTellsAllOfIt() public {
        uint256 number = made();
        burned(number);
        expectAsset(number, IDigitalAssets.Asset(SHELL, buyer, id, PLACE));
    }

    function test_assetOfContent_contentNeverMinted_isZero(bytes32 content) public view {
        assertEq(assets.assetOfContent(content), 0);
    }

    function test_assetOfContent_contentThatWasMinted_isTheAssetsNumber() public {
        mint(keccak256("first"));
        assertEq(assets.assetOfContent(SHELL), 0);
        assertEq(mint(SHELL), assets.assetOfContent(SHELL));
    }

    function test_assetCount_noAsset_isZero() public view {
        assertEq(assets.assetCount(), 0);
    }

    function test_assetCount_assetsAndABurnedOne_isTheLastOnesNumber() public {
        mint(keccak256("first"));
        burned(made());
        assertEq(assets.assetCount(), 2);
    }

    function test_tokenURI_noSuchAsset_isRefused(uint256 number) public {
        refused(buyer, abi.encodeCall(assets.tokenURI, (number)), nonexistent(number));
    }

    function test_tokenURI_anAsset_isWhereItIsFound() public {
        assertEq(assets.tokenURI(made()), PLACE);
    }

    function test_supportsInterface_namesERC165AndERC721AndERC2981AndERC4907AndNoOther(bytes4 other) public view {
        bytes4[5] memory known = [bytes4(0x01ffc9a7), 0x80ac58cd, 0x5b5e139f, 0x2a55205a, 0xad092b5c];
        bool isKnown = false;
        for (uint256 i = 0; i < known.length; ++i) {
            assertTrue(assets.supportsInterface(known[i]));
            isKnown = isKnown || other == known[i];
        }
        assertEq(assets.supportsInterface(other), isKnown);
    }

    function test_hashProvenance_isTheDigestOfEIP712(
        bytes32 content,
        address creator,
        uint96 subscriptionId,
        string calldata uri
    ) public view {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 name = keccak256("Slicing4Meta DigitalAssets");
        bytes32 domain = keccak256(abi.encode(kind, name, keccak256("1"), block.chainid, address(assets)));
        kind = keccak256("Provenance(bytes32 contentHash,address creator,uint96 subscriptionId,string uri)");
        bytes32 made_ = keccak256(abi.encode(kind, content, creator, subscriptionId, keccak256(bytes(uri))));
        bytes32 digest = keccak256(bytes.concat(hex"1901", domain, made_));
        assertEq(assets.hashProvenance(content, creator, subscriptionId, uri), digest);
    }

    function test_hashProvenance_anyFieldDiffers_isAnotherDigest(
        bytes32 content,
        address creator,
        uint96 subscriptionId,
        string memory uri
    ) public view {
        bytes32 own = assets.hashProvenance(content, creator, subscriptionId, uri);
        assertNotEq(assets.hashProvenance(content ^ bytes32(uint256(1)), creator, subscriptionId, uri), own);
        assertNotEq(assets.hashProvenance(content, address(uint160(creator) ^ 1), subscriptionId, uri), own);
        assertNotEq(assets.hashProvenance(content, creator, subscriptionId ^ 1, uri), own);
        assertNotEq(assets.hashProvenance(content, creator, subscriptionId, string.concat(uri, "/")), own);
    }

    function burned(uint256 number) private {
        vm.expectEmit(address(assets));
        emit IERC721.Transfer(seller, address(0), number);
        vm.expectEmit(address(assets));
        emit IDigitalAssets.AssetBurned(number);
        vm.prank(seller);
        assets.burn(number);
        assertEq(ownerOrNobody(number), address(0));
        assertEq(assets.balanceOf(seller), 0);
    }

    function refusedInactive(uint96 subscriptionId) private {
        bytes memory signed = sign(meterKey, assets.hashProvenance(SHELL, buyer, subscriptionId, PLACE));
        bytes memory reason = abi.encodeWithSelector(IDigitalAssets.SubscriptionNotActive.selector, subscriptionId);
        refused(stranger, abi.encodeCall(assets.mint, (buyer, SHELL, subscriptionId, PLACE, signed)), reason);
    }

    function refusedMint(bytes memory signed, bytes memory reason) private {
        refused(stranger, abi.encodeCall(assets.mint, (buyer, SHELL, id, PLACE, signed)), reason);
    }

    function expectAsset(uint256 number, IDigitalAssets.Asset memory told) private view {
        assertEq(abi.encode(assets.asset(number)), abi.encode(told));
    }

    function badProvenance(address expected) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDigitalAssets.BadProvenance.selector, expected);
    }
}
