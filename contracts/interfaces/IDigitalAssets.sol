// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title Things made in the virtual world: avatars, objects, souvenirs, scenes
/// @notice ERC-721 + ERC-2981 with unique content, provenance, ERC-4907 rental and fixed-price sale.
/// @dev Prices are in the smallest unit of the market's token, times UTC seconds. A content hash is taken for ever,
///      also by a burned asset.
///
///      What is assumed of outsiders everywhere:
///      - Market, catalogue and token are fixed at deployment: the first two are only read, the token is called in
///        `buy` alone. ERC-721's safe transfer calls its receiver, after all is written.
///      - "The owner" is the ERC-721 owner of that moment. Whom it approved may move an asset and lend it, not list or
///        burn it. A change of hands voids the listing and keeps the user.
///      - A content hash is the meter key's word: nobody looks at the content, and who shows an asset checks it.
interface IDigitalAssets {
    /// @notice What an asset is and where it comes from, for ever.
    /// @param contentHash of the asset's file
    /// @param creator to whom it was minted; receiver of the royalty
    /// @param subscriptionId in which it was made
    /// @param uri where the file or its description is found
    struct Asset {
        bytes32 contentHash;
        address creator;
        uint96 subscriptionId;
        string uri;
    }

    /// @notice An asset came to be.
    /// @param assetId its id
    /// @param creator its first owner
    /// @param subscriptionId in which it was made
    /// @param contentHash of its file
    /// @param uri where the file or its description is found
    event AssetMinted(
        uint256 indexed assetId, address indexed creator, uint96 indexed subscriptionId, bytes32 contentHash, string uri
    );

    /// @notice An asset is no more; its content can never be minted again.
    /// @param assetId its id
    event AssetBurned(uint256 indexed assetId);

    /// @notice An asset is for sale, or at another price.
    /// @param assetId its id
    /// @param seller its owner
    /// @param price for the whole, royalty included
    event AssetListed(uint256 indexed assetId, address indexed seller, uint256 price);

    /// @notice A listing ended without a sale here: withdrawn, or void by a transfer or burn.
    /// @param assetId its id
    event AssetUnlisted(uint256 indexed assetId);

    /// @notice An asset was sold, which ended its listing.
    /// @param assetId its id
    /// @param seller who got `price - royalty`
    /// @param buyer who paid `price`
    /// @param price for the whole
    /// @param royalty what the creator got of it
    event AssetSold(
        uint256 indexed assetId, address indexed seller, address indexed buyer, uint256 price, uint256 royalty
    );

    /// @notice ERC-4907: an asset was lent, or taken back.
    /// @param tokenId the asset
    /// @param user who may use it; zero for nobody
    /// @param expires the last second of it
    event UpdateUser(uint256 indexed tokenId, address indexed user, uint64 expires);

    /// @notice The content was minted before. Show the original in place of a copy.
    /// @param originalAssetId the asset that has it, burned or not
    error ContentExists(uint256 originalAssetId);

    /// @notice The subscription is not Active in the market. Mint while it is.
    /// @param subscriptionId the one given
    error SubscriptionNotActive(uint96 subscriptionId);

    /// @notice The provenance is not signed by the meter key of now, or not over this. Ask the gateway again.
    /// @param expectedMeterKey the key; zero where the model has none
    error BadProvenance(address expectedMeterKey);

    /// @notice Only the asset's owner may do this. Call from its account.
    /// @param assetId the asset
    /// @param owner its owner now
    /// @param caller who tried
    error NotAssetOwner(uint256 assetId, address owner, address caller);

    /// @notice The asset is not for sale, or not any more. See `priceOf`.
    /// @param assetId the asset
    error NotListed(uint256 assetId);

    /// @notice The asset costs another price now. Buy at that one, or leave it.
    /// @param expected the price given
    /// @param actual the price now
    error PriceChanged(uint256 expected, uint256 actual);

    /// @notice The asset is lent. Wait, or take it back by `setUser`.
    /// @param assetId the asset
    /// @param expires the last second of the rental
    error RentedUntil(uint256 assetId, uint64 expires);

    /// @notice The asset is for sale. Unlist it first.
    /// @param assetId the asset
    error IsListed(uint256 assetId);

    /// @notice A price of nothing was given. Give it away by a transfer.
    error ZeroPrice();

    /// @notice Mints what was made in an active subscription to its creator.
    /// @dev Anyone may bring it: the meter key's signature fixes every field, so a front-runner can only mint the same
    ///      thing to the same creator. The signature has no deadline of its own: it holds while the subscription is
    ///      active and the key the model's. A stolen meter key vouches for what it likes until the owner replaces it.
    ///      Cannot be undone but by the owner's `burn`. A contract as creator is not called back, so it must be able to
    ///      hold an ERC-721.
    /// @param creator its first owner and the receiver of the royalty; not zero
    /// @param contentHash of the file, never minted before
    /// @param subscriptionId in which it was made; the market says whether it is active, the catalogue whose meter key
    ///        signs
    /// @param uri where the file or its description is found
    /// @param provenance the meter key's 65 bytes of ECDSA over Provenance{contentHash, creator, subscriptionId, uri}
    ///        (EIP-712)
    /// @return assetId of the new asset, from 1
    function mint(
        address creator,
        bytes32 contentHash,
        uint96 subscriptionId,
        string calldata uri,
        bytes calldata provenance
    ) external returns (uint256 assetId);

    /// @notice Destroys an asset that is not lent.
    /// @dev Only the owner. Cannot be undone; the content stays taken and `asset` still answers.
    /// @param assetId the asset
    function burn(uint256 assetId) external;

    /// @notice Offers an asset that is not lent at a fixed price, or at a new one.
    /// @dev Only the owner. From now on anyone can take it at that price, by no further consent: a buyer may come
    ///      before a later `unlist` or higher price is mined.
    /// @param assetId the asset
    /// @param price for the whole, royalty included; not 0
    function list(uint256 assetId, uint256 price) external;

    /// @notice Withdraws an offer.
    /// @dev Only the owner.
    /// @param assetId the asset
    function unlist(uint256 assetId) external;

    /// @notice Buys a listed asset at exactly `expectedPrice`, paid by the caller to creator and seller.
    /// @dev Anyone may buy. The price given guards against one changed meanwhile. All is written before the token is
    ///      called, first for the royalty, then for the rest, by an allowance for this contract: one that re-enters
    ///      finds the asset sold, one that fails undoes the sale. A seller that the token refuses cannot sell; a
    ///      creator that it refuses forgoes the royalty to the seller, and the buyer pays the same. What a token keeps as a fee the receivers miss. A contract as buyer is not called
    ///      back, so it must be able to hold an ERC-721.
    /// @param assetId the asset
    /// @param expectedPrice the price that the caller saw
    function buy(uint256 assetId, uint256 expectedPrice) external;

    /// @notice ERC-4907: lends an asset that is not listed, replaces its user or takes it back.
    /// @dev The owner, or whom it approved by ERC-721, at any time: this gives a renter no protection. It can be
    ///      recalled at once, by a new owner too; who pays for a rental needs an agreement elsewhere.
    /// @param assetId the asset
    /// @param user who may use it; zero to take it back
    /// @param expires the last second of it
    function setUser(uint256 assetId, address user, uint64 expires) external;

    /// @notice ERC-4907: who may use an asset now beside its owner.
    /// @param assetId the asset
    /// @return the user; zero when nobody or no longer
    function userOf(uint256 assetId) external view returns (address);

    /// @notice ERC-4907: the last second of an asset's newest rental, past or not.
    /// @param assetId the asset
    /// @return the second; 0 when it was never lent
    function userExpires(uint256 assetId) external view returns (uint256);

    /// @notice What an asset is and where it comes from, also of a burned one; reverts (ERC-721) for one never minted.
    /// @param assetId the asset
    /// @return its facts
    function asset(uint256 assetId) external view returns (Asset memory);

    /// @notice Which asset took a content.
    /// @param contentHash of the file
    /// @return assetId the asset, burned or not; 0 for none
    function assetOfContent(bytes32 contentHash) external view returns (uint256 assetId);

    /// @notice What a listed asset costs.
    /// @param assetId the asset
    /// @return the price, royalty included; 0 when it is not listed
    function priceOf(uint256 assetId) external view returns (uint256);

    /// @notice The number of assets minted so far, burned ones included.
    /// @return the number, which is also the newest id
    function assetCount() external view returns (uint256);

    /// @notice What the meter key signs for an asset to be minted.
    /// @param contentHash of the file
    /// @param creator its first owner
    /// @param subscriptionId in which it was made
    /// @param uri where the file or its description is found
    /// @return digest by EIP-712 under ("Slicing4Meta DigitalAssets", "1", this chain, this contract)
    function hashProvenance(bytes32 contentHash, address creator, uint96 subscriptionId, string calldata uri)
        external
        view
        returns (bytes32 digest);
}
