// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {IERC721Metadata} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Metadata.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IDigitalAssets} from "../../contracts/interfaces/IDigitalAssets.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../contracts/interfaces/IModelCatalog.sol";

interface ICatalogToken is IModelCatalog, IERC721Metadata, IERC2981 {}

interface IAssetToken is IDigitalAssets, IERC721Metadata, IERC2981 {}

/// @title The contracts by name, as they are compiled for deployment
/// @notice Tests import interfaces only, so that they compile without the contracts' optimizer (foundry.toml).
abstract contract Deploy is Test {
    function deployCatalog() internal returns (ICatalogToken) {
        return ICatalogToken(deployCode("ModelCatalog.sol:ModelCatalog"));
    }

    function deployMarket(address catalog, address token) internal returns (IMaaSMarket) {
        return IMaaSMarket(deployCode("MaaSMarket.sol:MaaSMarket", abi.encode(catalog, token)));
    }

    function deployAssets(address market) internal returns (IAssetToken) {
        return IAssetToken(deployCode("DigitalAssets.sol:DigitalAssets", abi.encode(market)));
    }

    function deployIdentity(string memory rpId) internal returns (IIdentityRegistry) {
        return IIdentityRegistry(deployCode("IdentityRegistry.sol:IdentityRegistry", abi.encode(rpId)));
    }
}
