// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IModelCatalog} from "../../../contracts/interfaces/IModelCatalog.sol";
import {CatalogUnit} from "./CatalogUnit.sol";

/// @notice A model as an asset: registered, keyed, offered to composites, sold.
contract ModelsTest is CatalogUnit {
    uint16 private constant NEVER = 10_001;

    function test_register_theRoyaltyIsMoreThanThePrice_isRefused(uint16 bps) public {
        bps = uint16(bound(bps, 10_001, type(uint16).max));
        bytes memory call =
            abi.encodeCall(catalog.register, (IModelCatalog.Kind.CaaS, "hash", "s4m:documents/c", meter, bps));
        refused(stranger, call, outOfBounds("royaltyBps", 10_000, bps));
    }

    function test_register_theRoyaltyIsWithinThePrice_givesTheModelToTheCallerAndTellsAllOfIt(
        uint8 kind,
        bytes32 specHash,
        string memory uri,
        uint16 bps
    ) public {
        IModelCatalog.Kind made = IModelCatalog.Kind(bound(kind, 0, 2));
        bps = uint16(bound(bps, 0, 10_000));
        vm.expectEmit(address(catalog));
        emit IERC721.Transfer(address(0), stranger, 3);
        vm.expectEmit(address(catalog));
        emit IModelCatalog.ModelRegistered(3, stranger, made, specHash, uri, bps);
        vm.expectEmit(address(catalog));
        emit IModelCatalog.MeterKeySet(3, meter);
        vm.prank(stranger);
        assertEq(catalog.register(made, specHash, uri, meter, bps), 3);
        assertEq(catalog.ownerOf(3), stranger);
        expectModel(3, IModelCatalog.Model(made, meter, 0, NEVER, specHash, uri));
        (address receiver, uint256 royalty) = catalog.royaltyInfo(3, 10_000);
        assertEq(receiver, stranger);
        assertEq(royalty, bps);
    }

    function test_register_withoutAMeterKey_tellsOfNone() public {
        vm.recordLogs();
        uint32 id = catalog.register(IModelCatalog.Kind.TaaS, "hash", "s4m:documents/c", address(0), 0);
        assertEq(vm.getRecordedLogs().length, 2, "a transfer and a registration");
        assertEq(catalog.meterKeyOf(id), address(0));
    }

    function test_register_again_takesTheNextNumber() public {
        for (uint32 id = 3; id < 6; ++id) {
            assertEq(catalog.register(IModelCatalog.Kind.TaaS, "hash", "s4m:documents/c", meter, 0), id);
        }
    }

    function test_setMeterKey_noSuchModel_isRefused() public {
        refused(provider, abi.encodeCall(catalog.setMeterKey, (NO_MODEL, meter)), unknownModel(NO_MODEL));
        refused(provider, abi.encodeCall(catalog.setMeterKey, (0, meter)), unknownModel(0));
    }

    function test_setMeterKey_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != provider);
        refused(caller, abi.encodeCall(catalog.setMeterKey, (composite, meter)), notOwner(composite, caller));
    }

    function test_setMeterKey_byTheOwner_replacesTheKey(address key) public {
        vm.expectEmit(address(catalog));
        emit IModelCatalog.MeterKeySet(composite, key);
        vm.prank(provider);
        catalog.setMeterKey(composite, key);
        assertEq(catalog.meterKeyOf(composite), key);
        assertEq(catalog.meterKeyOf(component), meter, "only this model's");
    }

    function test_setMeterKey_aModelThatWasSold_isForTheNewOwnerAlone() public {
        sell(composite, stranger);
        refused(provider, abi.encodeCall(catalog.setMeterKey, (composite, meter)), notOwner(composite, provider));
        vm.prank(stranger);
        catalog.setMeterKey(composite, meter);
        assertEq(catalog.meterKeyOf(composite), meter);
    }

    function test_setAsk_noSuchModel_isRefused() public {
        refused(provider, abi.encodeCall(catalog.setAsk, (NO_MODEL, 1)), unknownModel(NO_MODEL));
        refused(provider, abi.encodeCall(catalog.setAsk, (0, 1)), unknownModel(0));
    }

    function test_setAsk_notByTheOwner_isRefused(address caller) public {
        vm.assume(caller != componentOwner);
        refused(caller, abi.encodeCall(catalog.setAsk, (component, 1)), notOwner(component, caller));
    }

    function test_setAsk_byTheOwner_replacesTheAsk(uint16 bps) public {
        vm.expectEmit(address(catalog));
        emit IModelCatalog.AskSet(component, bps);
        vm.prank(componentOwner);
        catalog.setAsk(component, bps);
        assertEq(catalog.model(component).askBps, bps);
    }

    function test_setAsk_aModelThatWasSold_isForTheNewOwnerAlone() public {
        sell(component, stranger);
        bytes memory call = abi.encodeCall(catalog.setAsk, (component, 1));
        refused(componentOwner, call, notOwner(component, componentOwner));
        vm.prank(stranger);
        catalog.setAsk(component, 1);
        assertEq(catalog.model(component).askBps, 1);
    }

    function test_transferFrom_noSuchModel_isRefused() public {
        bytes memory call = abi.encodeCall(catalog.transferFrom, (provider, stranger, NO_MODEL));
        refused(provider, call, abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, NO_MODEL));
    }

    function test_transferFrom_byNeitherOwnerNorApproved_isRefused() public {
        bytes memory call = abi.encodeCall(catalog.transferFrom, (provider, stranger, composite));
        bytes4 reason = IERC721Errors.ERC721InsufficientApproval.selector;
        refused(stranger, call, abi.encodeWithSelector(reason, stranger, composite));
    }

    function test_transferFrom_byTheOwner_clearsMeterKeyAndAsk() public {
        clears(componentOwner, stranger);
    }

    function test_transferFrom_toTheOwnerItself_clearsMeterKeyAndAsk() public {
        clears(componentOwner, componentOwner);
    }

    function test_transferFrom_byAnApprovedAddress_clearsMeterKeyAndAsk() public {
        vm.prank(componentOwner);
        catalog.approve(buyer, component);
        clears(buyer, stranger);
    }

    function test_modelCount_noModel_isZero() public {
        assertEq(deployCatalog().modelCount(), 0);
    }

    function test_modelCount_models_isTheLastOnesNumber() public view {
        assertEq(catalog.modelCount(), composite);
    }

    function test_model_noSuchModel_isRefused(uint32 id) public {
        if (id != 0) id = uint32(bound(id, 3, type(uint32).max));
        refused(stranger, abi.encodeCall(catalog.model, (id)), unknownModel(id));
    }

    function test_model_aModel_tellsAllOfIt() public view {
        expectModel(
            composite, IModelCatalog.Model(IModelCatalog.Kind.Composite, meter, 3, NEVER, "spec", "s4m:documents/b")
        );
        expectModel(component, IModelCatalog.Model(IModelCatalog.Kind.TaaS, meter, 0, 2_000, "spec", "s4m:documents/a"));
    }

    function test_meterKeyOf_noSuchModel_isZero(uint32 id) public view {
        if (id != 0) id = uint32(bound(id, 3, type(uint32).max));
        assertEq(catalog.meterKeyOf(id), address(0));
    }

    function test_meterKeyOf_aModel_isTheGatewaysKey() public view {
        assertEq(catalog.meterKeyOf(composite), meter);
    }

    function test_tokenURI_noSuchModel_isRefused(uint256 id) public {
        if (id != 0) id = bound(id, 3, type(uint256).max);
        bytes memory reason = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
        refused(stranger, abi.encodeCall(catalog.tokenURI, (id)), reason);
    }

    function test_tokenURI_aModel_isWhereItsSpecIsFound() public view {
        assertEq(catalog.tokenURI(composite), "s4m:documents/b");
    }

    function test_supportsInterface_namesERC165AndERC721AndERC2981AndNoOther(bytes4 other) public view {
        bytes4[4] memory known = [bytes4(0x01ffc9a7), 0x80ac58cd, 0x5b5e139f, 0x2a55205a];
        bool isKnown = false;
        for (uint256 i = 0; i < known.length; ++i) {
            assertTrue(catalog.supportsInterface(known[i]));
            isKnown = isKnown || other == known[i];
        }
        assertEq(catalog.supportsInterface(other), isKnown);
    }

    function test_royaltyInfo_aModel_isTheMakersPartOfThePrice(uint256 price) public view {
        price = bound(price, 0, type(uint256).max / 500);
        (address receiver, uint256 royalty) = catalog.royaltyInfo(composite, price);
        assertEq(receiver, provider);
        assertEq(royalty, price * 500 / 10_000);
    }

    function test_royaltyInfo_aModelThatWasSold_isTheMakersStill() public {
        sell(composite, stranger);
        (address receiver, uint256 royalty) = catalog.royaltyInfo(composite, 10_000);
        assertEq(receiver, provider);
        assertEq(royalty, 500);
    }

    function clears(address caller, address to) private {
        vm.expectEmit(address(catalog));
        emit IERC721.Transfer(componentOwner, to, component);
        vm.expectEmit(address(catalog));
        emit IModelCatalog.MeterKeySet(component, address(0));
        vm.expectEmit(address(catalog));
        emit IModelCatalog.AskSet(component, NEVER);
        vm.prank(caller);
        catalog.transferFrom(componentOwner, to, component);
        assertEq(catalog.ownerOf(component), to);
        expectModel(
            component, IModelCatalog.Model(IModelCatalog.Kind.TaaS, address(0), 0, NEVER, "spec", "s4m:documents/a")
        );
    }

    function expectModel(uint32 id, IModelCatalog.Model memory told) private view {
        assertEq(abi.encode(catalog.model(id)), abi.encode(told));
    }
}
