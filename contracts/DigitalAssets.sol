// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC165} from "@openzeppelin/contracts/interfaces/IERC165.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDigitalAssets} from "./interfaces/IDigitalAssets.sol";
import {IMaaSMarket} from "./interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "./interfaces/IModelCatalog.sol";
import {SignedStructs} from "./libraries/SignedStructs.sol";

// slither-disable-start timestamp -- a block's proposer can shift it by seconds: a rental ends so much off, no more
/// @title Things made in the virtual world, each with the subscription it was made in
/// @notice Money passes from buyer to seller and creator; this contract never holds any.
contract DigitalAssets is IDigitalAssets, IERC2981, ERC721, EIP712 {
    using SafeERC20 for IERC20;

    struct Rental {
        address user;
        uint64 expires;
    }

    /// @notice The creator's part of every sale here, in basis points.
    uint256 public constant ROYALTY_BPS = 500;
    uint256 private constant WHOLE_BPS = 10_000;
    bytes4 private constant ERC4907_ID = 0xad092b5c;

    // slither-disable-start naming-convention -- fixed at deployment, so written like constants
    /// @notice Whose subscriptions assets are made in.
    IMaaSMarket public immutable MARKET;
    /// @notice The market's catalogue, whose meter keys sign provenance.
    IModelCatalog public immutable CATALOG;
    /// @notice The market's token, in which sales are paid.
    IERC20 public immutable TOKEN;
    // slither-disable-end naming-convention

    /// @inheritdoc IDigitalAssets
    uint256 public assetCount;
    /// @inheritdoc IDigitalAssets
    mapping(bytes32 contentHash => uint256) public assetOfContent;
    /// @inheritdoc IDigitalAssets
    mapping(uint256 assetId => uint256) public priceOf;

    mapping(uint256 assetId => Asset) private _assets;
    mapping(uint256 assetId => Rental) private _rentals;

    constructor(address market) ERC721("Slicing4Meta Asset", "S4MA") EIP712("Slicing4Meta DigitalAssets", "1") {
        MARKET = IMaaSMarket(market);
        CATALOG = IModelCatalog(MARKET.catalog());
        TOKEN = IERC20(MARKET.token());
    }

    modifier onlyAssetOwner(uint256 assetId) {
        _requireAssetOwner(assetId);
        _;
    }

    /// @inheritdoc IDigitalAssets
    function mint(
        address creator,
        bytes32 contentHash,
        uint96 subscriptionId,
        string calldata uri,
        bytes calldata provenance
    ) external returns (uint256 assetId) {
        require(assetOfContent[contentHash] == 0, ContentExists(assetOfContent[contentHash]));
        require(MARKET.statusOf(subscriptionId) == IMaaSMarket.Status.Active, SubscriptionNotActive(subscriptionId));
        _requireProvenance(hashProvenance(contentHash, creator, subscriptionId, uri), subscriptionId, provenance);
        assetId = ++assetCount;
        assetOfContent[contentHash] = assetId;
        _assets[assetId] = Asset({contentHash: contentHash, creator: creator, subscriptionId: subscriptionId, uri: uri});
        _mint(creator, assetId);
        emit AssetMinted(assetId, creator, subscriptionId, contentHash, uri);
    }

    /// @inheritdoc IDigitalAssets
    function burn(uint256 assetId) external onlyAssetOwner(assetId) {
        _requireNotRented(assetId);
        _burn(assetId);
        emit AssetBurned(assetId);
    }

    /// @inheritdoc IDigitalAssets
    function list(uint256 assetId, uint256 price) external onlyAssetOwner(assetId) {
        require(price != 0, ZeroPrice());
        _requireNotRented(assetId);
        priceOf[assetId] = price;
        emit AssetListed(assetId, msg.sender, price);
    }

    /// @inheritdoc IDigitalAssets
    function unlist(uint256 assetId) external onlyAssetOwner(assetId) {
        require(priceOf[assetId] != 0, NotListed(assetId));
        delete priceOf[assetId];
        emit AssetUnlisted(assetId);
    }

    /// @inheritdoc IDigitalAssets
    function buy(uint256 assetId, uint256 expectedPrice) external {
        uint256 price = priceOf[assetId];
        require(price != 0, NotListed(assetId));
        require(price == expectedPrice, PriceChanged(expectedPrice, price));
        address seller = ownerOf(assetId);
        (address creator, uint256 royalty) = royaltyInfo(assetId, price);
        delete priceOf[assetId];
        _transfer(seller, msg.sender, assetId);
        if (royalty != 0 && !TOKEN.trySafeTransferFrom(msg.sender, creator, royalty)) royalty = 0;
        TOKEN.safeTransferFrom(msg.sender, seller, price - royalty);
        emit AssetSold(assetId, seller, msg.sender, price, royalty);
    }

    /// @inheritdoc IDigitalAssets
    function setUser(uint256 assetId, address user, uint64 expires) external {
        _checkAuthorized(_requireOwned(assetId), msg.sender, assetId);
        require(priceOf[assetId] == 0, IsListed(assetId));
        _rentals[assetId] = Rental({user: user, expires: expires});
        emit UpdateUser(assetId, user, expires);
    }

    /// @inheritdoc IDigitalAssets
    function userOf(uint256 assetId) external view returns (address) {
        return _isRented(assetId) ? _rentals[assetId].user : address(0);
    }

    /// @inheritdoc IDigitalAssets
    function userExpires(uint256 assetId) external view returns (uint256) {
        return _rentals[assetId].expires;
    }

    /// @inheritdoc IDigitalAssets
    function asset(uint256 assetId) external view returns (Asset memory) {
        require(assetId != 0 && assetId <= assetCount, ERC721NonexistentToken(assetId));
        return _assets[assetId];
    }

    /// @inheritdoc IERC2981
    function royaltyInfo(uint256 tokenId, uint256 salePrice) public view returns (address receiver, uint256 amount) {
        return (_assets[tokenId].creator, Math.mulDiv(salePrice, ROYALTY_BPS, WHOLE_BPS));
    }

    /// @inheritdoc IDigitalAssets
    function hashProvenance(bytes32 contentHash, address creator, uint96 subscriptionId, string calldata uri)
        public
        view
        returns (bytes32 digest)
    {
        return _hashTypedDataV4(SignedStructs.hashProvenance(contentHash, creator, subscriptionId, uri));
    }

    /// @notice Where the asset's file or its description is found; the file's hash is `asset(id).contentHash`.
    /// @param tokenId the asset
    /// @return the address; reverts for a burned one
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        return _assets[tokenId].uri;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(IERC165, ERC721) returns (bool) {
        return
            interfaceId == type(IERC2981).interfaceId || interfaceId == ERC4907_ID
                || super.supportsInterface(interfaceId);
    }

    /// @dev Any change of hands voids the listing.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (priceOf[tokenId] == 0) return from;
        delete priceOf[tokenId];
        emit AssetUnlisted(tokenId);
    }

    function _requireAssetOwner(uint256 assetId) private view {
        address owner = _requireOwned(assetId);
        require(owner == msg.sender, NotAssetOwner(assetId, owner, msg.sender));
    }

    function _requireNotRented(uint256 assetId) private view {
        require(!_isRented(assetId), RentedUntil(assetId, _rentals[assetId].expires));
    }

    function _isRented(uint256 assetId) private view returns (bool) {
        Rental storage rental = _rentals[assetId];
        return rental.user != address(0) && rental.expires >= block.timestamp;
    }

    function _requireProvenance(bytes32 digest, uint96 subscriptionId, bytes calldata provenance) private view {
        address meterKey = CATALOG.meterKeyOf(uint32(subscriptionId >> 64));
        // slither-disable-next-line unused-return -- what is left out is the failure's detail
        (address signer, ECDSA.RecoverError failure,) = ECDSA.tryRecoverCalldata(digest, provenance);
        require(
            meterKey != address(0) && failure == ECDSA.RecoverError.NoError && signer == meterKey,
            BadProvenance(meterKey)
        );
    }
}
// slither-disable-end timestamp
