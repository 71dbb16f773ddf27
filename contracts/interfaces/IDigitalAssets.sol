// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Things made in the virtual world: avatars, objects, souvenirs, scenes
/// @notice ERC-721 + ERC-2981 with unique content, provenance, ERC-4907 rental and fixed-price sale.
interface IDigitalAssets {
    struct Asset {
        bytes32 contentHash;
        address creator;
        uint96 subscriptionId;
        string uri;
    }

    event AssetMinted(
        uint256 indexed assetId, address indexed creator, uint96 indexed subscriptionId, bytes32 contentHash, string uri
    );
    event AssetBurned(uint256 indexed assetId);
    event AssetListed(uint256 indexed assetId, address indexed seller, uint256 price);
    event AssetUnlisted(uint256 indexed assetId);
    event AssetSold(
        uint256 indexed assetId, address indexed seller, address indexed buyer, uint256 price, uint256 royalty
    );
    /// @dev ERC-4907
    event UpdateUser(uint256 indexed tokenId, address indexed user, uint64 expires);

    error ContentExists(uint256 originalAssetId);
    error SubscriptionNotActive(uint96 subscriptionId);
    error BadProvenance(address expectedMeterKey);
    error NotAssetOwner(uint256 assetId, address owner, address caller);
    error NotListed(uint256 assetId);
    error PriceChanged(uint256 expected, uint256 actual);
    error RentedUntil(uint256 assetId, uint64 expires);
    error IsListed(uint256 assetId);
    error ZeroPrice();

    /// @notice Mints to `creator`. Anyone may submit: the meter key's signature over
    ///         Provenance{contentHash, creator, subscriptionId, uri} (EIP-712, 65 bytes) decides.
    function mint(
        address creator,
        bytes32 contentHash,
        uint96 subscriptionId,
        string calldata uri,
        bytes calldata provenance
    ) external returns (uint256 assetId);
    function burn(uint256 assetId) external;
    function list(uint256 assetId, uint256 price) external;
    function unlist(uint256 assetId) external;
    /// @notice Buys at exactly `expectedPrice`, paid in the market's token by the caller; royalty to the creator.
    function buy(uint256 assetId, uint256 expectedPrice) external;
    function setUser(uint256 assetId, address user, uint64 expires) external;

    function userOf(uint256 assetId) external view returns (address);
    function userExpires(uint256 assetId) external view returns (uint256);
    function asset(uint256 assetId) external view returns (Asset memory);
    function assetOfContent(bytes32 contentHash) external view returns (uint256 assetId);
    function priceOf(uint256 assetId) external view returns (uint256);
    function assetCount() external view returns (uint256);
    function hashProvenance(bytes32 contentHash, address creator, uint96 subscriptionId, string calldata uri)
        external
        view
        returns (bytes32 digest);
}
