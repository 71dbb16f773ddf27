// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The catalogue of Metaverse-as-a-Service (MaaS) models
/// @notice A MaaS model is an asset (ERC-721, ERC-2981). Its owner publishes immutable plan versions; a new price is a new version.
/// @dev modelId is 32 bits, planId = modelId << 32 | version (versions start at 1).
interface IModelCatalog {
    /// @notice CaaS supplies resources, TaaS consumes them, a Composite is sold as one service made of both.
    enum Kind {
        CaaS,
        TaaS,
        Composite
    }

    struct Model {
        Kind kind;
        address meterKey;
        uint32 versions;
        uint16 askBps;
        bytes32 specHash;
        string uri;
    }

    /// @param unitPrice price of one billable unit, in the token's smallest unit
    /// @param periodPrice price of one prepaid period, in the token's smallest unit
    /// @param period length of a prepaid period, seconds; zero exactly when periodPrice is zero
    /// @param releaseWindow seconds during which vouchers stay valid after a release request, 1 hour to 30 days
    /// @param activationWindow seconds after the purchase within which the service must be handed over, 1 second to 30 days
    /// @param qoeFloor promised Meta-Immersion in thousandths; must be zero where unitPrice is zero
    /// @param termsHash SHA-256 of the canonical (RFC 8785) terms document
    struct PlanTerms {
        uint64 unitPrice;
        uint96 periodPrice;
        uint32 period;
        uint32 releaseWindow;
        uint32 activationWindow;
        uint32 qoeFloor;
        bytes32 termsHash;
    }

    /// @dev What a market needs of a plan, in `PlanTerms`' units: one read of one slot.
    /// @param shared components share in what the plan earns
    struct Offer {
        uint64 unitPrice;
        uint96 periodPrice;
        uint32 period;
        uint32 releaseWindow;
        uint32 activationWindow;
        bool onSale;
        bool shared;
    }

    /// @param modelId a component of the composite, itself not a composite
    /// @param bps its part of the plan's earnings, in basis points, at or above the owner's ask
    struct Share {
        uint32 modelId;
        uint16 bps;
    }

    event ModelRegistered(
        uint32 indexed modelId, address indexed owner, Kind kind, bytes32 specHash, string uri, uint16 royaltyBps
    );
    event MeterKeySet(uint32 indexed modelId, address meterKey);
    event AskSet(uint32 indexed modelId, uint16 bps);
    event PlanPublished(uint64 indexed planId, PlanTerms terms, Share[] shares);
    event PlanRetired(uint64 indexed planId);

    error UnknownModel(uint32 modelId);
    error UnknownPlan(uint64 planId);
    error NotModelOwner(uint32 modelId, address owner, address caller);
    error OutOfBounds(bytes32 field, uint256 limit, uint256 given);
    error PeriodWithoutPrice(uint32 period, uint96 periodPrice);
    error FloorWithoutUnitPrice(uint32 qoeFloor);
    error SharesOnlyForComposites(uint32 modelId);
    error ComponentIsComposite(uint32 modelId);
    error ComponentRepeated(uint32 modelId);
    error BelowAsk(uint32 modelId, uint16 ask, uint16 given);
    error AlreadyRetired(uint64 planId);
    error NeverAvailable(uint32 modelId);

    /// @notice Registers a model to the caller. `specHash` is the SHA-256 of the document at `uri`.
    /// @param meterKey the secp256k1 address with which this model's gateway signs usage; may be zero and set later
    function register(Kind kind, bytes32 specHash, string calldata uri, address meterKey, uint16 royaltyBps)
        external
        returns (uint32 modelId);

    /// @notice Sets the gateway key; only the owner. Cleared on transfer.
    function setMeterKey(uint32 modelId, address meterKey) external;

    /// @notice The least share, in basis points, at which others may use this model in a composite. 10,001 or more: never.
    /// @dev Cleared to "never" on transfer: the new owner decides anew.
    function setAsk(uint32 modelId, uint16 bps) external;

    /// @notice Publishes an immutable plan version of a model. Shares only for composites, at most 8, together at most 10,000.
    function publishPlan(uint32 modelId, PlanTerms calldata terms, Share[] calldata shares)
        external
        returns (uint64 planId);

    /// @notice Closes a plan to new buyers; running subscriptions keep it.
    function retirePlan(uint64 planId) external;

    /// @notice The number of models registered so far; ids run from 1.
    function modelCount() external view returns (uint32);
    function model(uint32 modelId) external view returns (Model memory);
    function plan(uint64 planId) external view returns (PlanTerms memory terms, bool retired);
    function offer(uint64 planId) external view returns (Offer memory);
    /// @notice True for a published plan that is not retired.
    function isOnSale(uint64 planId) external view returns (bool);
    function shares(uint64 planId) external view returns (Share[] memory);
    function meterKeyOf(uint32 modelId) external view returns (address);
}
