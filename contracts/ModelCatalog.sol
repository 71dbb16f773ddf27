// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC2981} from "@openzeppelin/contracts/token/common/ERC2981.sol";
import {IModelCatalog} from "./interfaces/IModelCatalog.sol";

/// @title The catalogue of MaaS models and their immutable price plans
/// @notice A token id is a model id. Models are never burned, so `ownerOf` of a registered model always answers.
contract ModelCatalog is IModelCatalog, ERC721, ERC2981 {
    /// @dev Three slots: all that selling needs | terms document | floor. The windows fit 24 bits (at most 30 days).
    struct PlanRow {
        uint64 unitPrice;
        uint96 periodPrice;
        uint32 period;
        uint24 releaseWindow;
        uint24 activationWindow;
        bool onSale;
        bool shared;
        bytes32 termsHash;
        uint32 qoeFloor;
    }

    uint16 private constant NEVER = 10_001;
    uint256 private constant WHOLE_BPS = 10_000;
    uint256 private constant MAX_SHARES = 8;
    uint256 private constant MIN_RELEASE_WINDOW = 1 hours;
    uint256 private constant MAX_WINDOW = 30 days;
    uint256 private constant MAX_PERIOD = 366 days;

    /// @inheritdoc IModelCatalog
    uint32 public modelCount;

    mapping(uint32 modelId => Model) private _models;
    mapping(uint64 planId => PlanRow) private _plans;
    mapping(uint64 planId => Share[]) private _shares;

    constructor() ERC721("MaaS Model", "MAASM") {}

    modifier onlyModelOwner(uint32 modelId) {
        _requireModelOwner(modelId);
        _;
    }

    /// @inheritdoc IModelCatalog
    function register(Kind kind, bytes32 specHash, string calldata uri, address meterKey, uint16 royaltyBps)
        external
        returns (uint32 modelId)
    {
        require(royaltyBps <= WHOLE_BPS, OutOfBounds("royaltyBps", WHOLE_BPS, royaltyBps));
        modelId = ++modelCount;
        _models[modelId] =
            Model({kind: kind, meterKey: meterKey, versions: 0, askBps: NEVER, specHash: specHash, uri: uri});
        _mint(msg.sender, modelId);
        _setTokenRoyalty(modelId, msg.sender, royaltyBps);
        emit ModelRegistered(modelId, msg.sender, kind, specHash, uri, royaltyBps);
        if (meterKey != address(0)) emit MeterKeySet(modelId, meterKey);
    }

    /// @inheritdoc IModelCatalog
    function setMeterKey(uint32 modelId, address meterKey) external onlyModelOwner(modelId) {
        _models[modelId].meterKey = meterKey;
        emit MeterKeySet(modelId, meterKey);
    }

    /// @inheritdoc IModelCatalog
    function setAsk(uint32 modelId, uint16 bps) external onlyModelOwner(modelId) {
        _models[modelId].askBps = bps;
        emit AskSet(modelId, bps);
    }

    /// @inheritdoc IModelCatalog
    function publishPlan(uint32 modelId, PlanTerms calldata terms, Share[] calldata planShares)
        external
        onlyModelOwner(modelId)
        returns (uint64 planId)
    {
        _requireTerms(terms);
        _requireShares(modelId, planShares);
        planId = (uint64(modelId) << 32) | ++_models[modelId].versions;
        _plans[planId] = PlanRow({
            unitPrice: terms.unitPrice,
            periodPrice: terms.periodPrice,
            period: terms.period,
            releaseWindow: uint24(terms.releaseWindow),
            activationWindow: uint24(terms.activationWindow),
            onSale: true,
            shared: planShares.length != 0,
            termsHash: terms.termsHash,
            qoeFloor: terms.qoeFloor
        });
        for (uint256 i = 0; i < planShares.length; ++i) {
            _shares[planId].push(planShares[i]);
        }
        emit PlanPublished(planId, terms, planShares);
    }

    /// @inheritdoc IModelCatalog
    function retirePlan(uint64 planId) external {
        PlanRow storage row = _planRow(planId);
        _requireModelOwner(uint32(planId >> 32));
        require(row.onSale, AlreadyRetired(planId));
        row.onSale = false;
        emit PlanRetired(planId);
    }

    /// @inheritdoc IModelCatalog
    function model(uint32 modelId) external view returns (Model memory) {
        require(_isModel(modelId), UnknownModel(modelId));
        return _models[modelId];
    }

    /// @inheritdoc IModelCatalog
    function plan(uint64 planId) external view returns (PlanTerms memory terms, bool retired) {
        PlanRow storage row = _planRow(planId);
        terms = PlanTerms({
            unitPrice: row.unitPrice,
            periodPrice: row.periodPrice,
            period: row.period,
            releaseWindow: row.releaseWindow,
            activationWindow: row.activationWindow,
            qoeFloor: row.qoeFloor,
            termsHash: row.termsHash
        });
        retired = !row.onSale;
    }

    /// @inheritdoc IModelCatalog
    function offer(uint64 planId) external view returns (Offer memory) {
        PlanRow storage row = _planRow(planId);
        return Offer({
            unitPrice: row.unitPrice,
            periodPrice: row.periodPrice,
            period: row.period,
            releaseWindow: row.releaseWindow,
            activationWindow: row.activationWindow,
            onSale: row.onSale,
            shared: row.shared
        });
    }

    /// @inheritdoc IModelCatalog
    function isOnSale(uint64 planId) external view returns (bool) {
        return _plans[planId].onSale;
    }

    /// @inheritdoc IModelCatalog
    function shares(uint64 planId) external view returns (Share[] memory) {
        return _shares[planId];
    }

    /// @inheritdoc IModelCatalog
    function meterKeyOf(uint32 modelId) external view returns (address) {
        return _models[modelId].meterKey;
    }

    /// @notice The address of the model's spec document, whose SHA-256 is the model's specHash.
    /// @param tokenId the model
    /// @return where it is found
    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        return _models[uint32(tokenId)].uri;
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 interfaceId) public view override(ERC721, ERC2981) returns (bool) {
        return super.supportsInterface(interfaceId);
    }

    /// @dev A transfer clears what only the former owner stood for: its gateway's key and its ask.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from == address(0)) return from;
        uint32 modelId = uint32(tokenId);
        _models[modelId].meterKey = address(0);
        _models[modelId].askBps = NEVER;
        emit MeterKeySet(modelId, address(0));
        emit AskSet(modelId, NEVER);
    }

    function _requireModelOwner(uint32 modelId) private view {
        require(_isModel(modelId), UnknownModel(modelId));
        address owner = _ownerOf(modelId);
        require(owner == msg.sender, NotModelOwner(modelId, owner, msg.sender));
    }

    function _requireTerms(PlanTerms calldata terms) private pure {
        _requireWithin("releaseWindow", terms.releaseWindow, MIN_RELEASE_WINDOW, MAX_WINDOW);
        _requireWithin("activationWindow", terms.activationWindow, 1, MAX_WINDOW);
        _requireWithin("period", terms.period, 0, MAX_PERIOD);
        require((terms.period == 0) == (terms.periodPrice == 0), PeriodWithoutPrice(terms.period, terms.periodPrice));
        require(terms.unitPrice != 0 || terms.qoeFloor == 0, FloorWithoutUnitPrice(terms.qoeFloor));
    }

    function _requireWithin(bytes32 field, uint256 given, uint256 least, uint256 most) private pure {
        require(given >= least, OutOfBounds(field, least, given));
        require(given <= most, OutOfBounds(field, most, given));
    }

    function _requireShares(uint32 modelId, Share[] calldata planShares) private view {
        if (planShares.length == 0) return;
        require(_models[modelId].kind == Kind.Composite, SharesOnlyForComposites(modelId));
        require(planShares.length <= MAX_SHARES, OutOfBounds("shares", MAX_SHARES, planShares.length));
        uint256 together = 0;
        for (uint256 i = 0; i < planShares.length; ++i) {
            _requireComponent(planShares[i]);
            for (uint256 j = 0; j < i; ++j) {
                require(planShares[j].modelId != planShares[i].modelId, ComponentRepeated(planShares[i].modelId));
            }
            together += planShares[i].bps;
        }
        require(together <= WHOLE_BPS, OutOfBounds("bps", WHOLE_BPS, together));
    }

    function _requireComponent(Share calldata share) private view {
        require(_isModel(share.modelId), UnknownModel(share.modelId));
        Model storage component = _models[share.modelId];
        require(component.kind != Kind.Composite, ComponentIsComposite(share.modelId));
        require(component.askBps < NEVER, NeverAvailable(share.modelId));
        require(share.bps >= component.askBps, BelowAsk(share.modelId, component.askBps, share.bps));
    }

    function _planRow(uint64 planId) private view returns (PlanRow storage row) {
        row = _plans[planId];
        require(row.activationWindow != 0, UnknownPlan(planId));
    }

    function _isModel(uint32 modelId) private view returns (bool) {
        return modelId != 0 && modelId <= modelCount;
    }
}
