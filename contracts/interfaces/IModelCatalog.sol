// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// @title The catalogue of Metaverse-as-a-Service (MaaS) models
/// @notice A MaaS model is an asset (ERC-721, ERC-2981). Its owner publishes immutable plan versions; a new price is a
///         new version.
/// @dev modelId is 32 bits, planId = modelId << 32 | version (versions start at 1). Shares and royalties are in basis
///      points, prices in the smallest unit of the token of the market that sells the plan.
///
///      What is assumed of outsiders everywhere:
///      - Nothing here holds money, and no other contract is called, so nobody can re-enter (ERC-721's safe transfer
///        alone calls its receiver, after all is written).
///      - "The owner" is the ERC-721 owner of that moment. Whom it approved may move the model, not run it. A transfer
///        clears the meter key and the ask, which only the former owner stood for; plans stay as they are and on sale,
///        and what they have earned and not paid out passes to the new owner.
///      - Hashes and documents' addresses are their owner's word; who relies on a document checks it against its hash.
interface IModelCatalog {
    /// @notice What a model is sold as.
    enum Kind {
        /// @notice component-as-a-service: supplies resources
        CaaS,
        /// @notice technology-as-a-service: consumes them
        TaaS,
        /// @notice one service made of both
        Composite
    }

    /// @notice A model as it stands.
    /// @param kind what it is sold as, for ever
    /// @param meterKey the secp256k1 address with which its gateway signs usage; zero for none
    /// @param versions how many plans it has published
    /// @param askBps the least share at which others may use it in a composite; 10,001 or more for never
    /// @param specHash SHA-256 of the document at `uri`
    /// @param uri where its spec document is found
    struct Model {
        Kind kind;
        address meterKey;
        uint32 versions;
        uint16 askBps;
        bytes32 specHash;
        string uri;
    }

    /// @notice What a plan promises and costs, for ever.
    /// @param unitPrice price of one billable unit
    /// @param periodPrice price of one prepaid period; zero exactly when `period` is
    /// @param period length of a prepaid period, seconds, at most 366 days; zero for a plan without time
    /// @param releaseWindow seconds during which vouchers stay valid after a release request, 1 hour to 30 days
    /// @param activationWindow seconds after the purchase within which the service must be handed over, 1 second to 30
    ///        days
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

    /// @notice What a market needs of a plan: one read of one slot.
    /// @param unitPrice as in `PlanTerms`
    /// @param periodPrice as in `PlanTerms`
    /// @param period as in `PlanTerms`
    /// @param releaseWindow as in `PlanTerms`
    /// @param activationWindow as in `PlanTerms`
    /// @param onSale whether it takes new buyers
    /// @param shared whether components share in what the plan earns
    struct Offer {
        uint64 unitPrice;
        uint96 periodPrice;
        uint32 period;
        uint32 releaseWindow;
        uint32 activationWindow;
        bool onSale;
        bool shared;
    }

    /// @notice A component's part of what a composite's plan earns.
    /// @param modelId a component of the composite, itself not a composite
    /// @param bps its part of the plan's earnings, in basis points, at or above the owner's ask
    struct Share {
        uint32 modelId;
        uint16 bps;
    }

    /// @notice A model was registered, without an ask.
    /// @param modelId its id
    /// @param owner who registered it; receiver of the royalty for ever
    /// @param kind what it is sold as
    /// @param specHash SHA-256 of the document at `uri`
    /// @param uri where its spec document is found
    /// @param royaltyBps the royalty of its sales
    event ModelRegistered(
        uint32 indexed modelId, address indexed owner, Kind kind, bytes32 specHash, string uri, uint16 royaltyBps
    );

    /// @notice The gateway's key was set, replaced or, on a transfer, cleared.
    /// @param modelId the model
    /// @param meterKey the key from now on; zero for none
    event MeterKeySet(uint32 indexed modelId, address meterKey);

    /// @notice The ask was set or, on a transfer, put to never.
    /// @param modelId the model
    /// @param bps the ask from now on; 10,001 or more for never
    event AskSet(uint32 indexed modelId, uint16 bps);

    /// @notice A plan was published and is on sale.
    /// @param planId its id
    /// @param terms what it promises and costs
    /// @param shares what its components get; empty for none
    event PlanPublished(uint64 indexed planId, PlanTerms terms, Share[] shares);

    /// @notice A plan takes no new buyers any more.
    /// @param planId the plan
    event PlanRetired(uint64 indexed planId);

    /// @notice No such model was registered. Ids run from 1 to `modelCount`.
    /// @param modelId the one given
    error UnknownModel(uint32 modelId);

    /// @notice No such plan was published. Versions run from 1 to the model's `versions`.
    /// @param planId the one given
    error UnknownPlan(uint64 planId);

    /// @notice Only the model's owner may do this. Call from its account.
    /// @param modelId the model
    /// @param owner its owner now
    /// @param caller who tried
    error NotModelOwner(uint32 modelId, address owner, address caller);

    /// @notice A figure lies outside its bounds. Give the limit, or one on its other side.
    /// @param field the parameter's name; "shares" is their number, "bps" all of them together
    /// @param limit the bound that was crossed, in the parameter's unit
    /// @param given the figure given
    error OutOfBounds(bytes32 field, uint256 limit, uint256 given);

    /// @notice Of period and its price one is zero. Give both or neither.
    /// @param period seconds
    /// @param periodPrice price of one
    error PeriodWithoutPrice(uint32 period, uint96 periodPrice);

    /// @notice A floor is promised where units are free, so no discount could keep it. Give a price, or no floor.
    /// @param qoeFloor the floor given
    error FloorWithoutUnitPrice(uint32 qoeFloor);

    /// @notice Shares were given for a model that is no composite. Give none.
    /// @param modelId the model
    error SharesOnlyForComposites(uint32 modelId);

    /// @notice A component is a composite itself. Name its components in its place.
    /// @param modelId the component
    error ComponentIsComposite(uint32 modelId);

    /// @notice A component is named twice. Add its shares up.
    /// @param modelId the component
    error ComponentRepeated(uint32 modelId);

    /// @notice A share is below what the component's owner asks. Give the ask or more.
    /// @param modelId the component
    /// @param ask the owner's ask, basis points
    /// @param given the share given
    error BelowAsk(uint32 modelId, uint16 ask, uint16 given);

    /// @notice The plan was retired before; nothing is left to do.
    /// @param planId the plan
    error AlreadyRetired(uint64 planId);

    /// @notice The component's owner lets nobody use it in a composite, or has not set an ask yet. Ask the owner.
    /// @param modelId the component
    error NeverAvailable(uint32 modelId);

    /// @notice Registers a model to the caller.
    /// @dev Anyone may, for gas alone: an entry here vouches for nothing. Cannot be undone; kind, document and royalty
    ///      are for ever. A contract as owner is not called back, so it must be able to hold an ERC-721.
    /// @param kind what it is sold as
    /// @param specHash SHA-256 of the document at `uri`
    /// @param uri where the spec document is found
    /// @param meterKey the secp256k1 address with which this model's gateway signs usage; may be zero and set later
    /// @param royaltyBps the caller's royalty by ERC-2981, at most 10,000; sales elsewhere may ignore it
    /// @return modelId of the new model
    function register(Kind kind, bytes32 specHash, string calldata uri, address meterKey, uint16 royaltyBps)
        external
        returns (uint32 modelId);

    /// @notice Sets the gateway's key.
    /// @dev Only the owner. From this block on the former key's signatures prove no usage and mint no asset; vouchers
    ///      settle all the same. Nobody checks that the gateway holds the new key.
    /// @param modelId the model
    /// @param meterKey the key; zero for none
    function setMeterKey(uint32 modelId, address meterKey) external;

    /// @notice Sets the least share at which others may use this model in a composite.
    /// @dev Only the owner. It is the owner's standing consent: whoever pays it need not ask, also one that comes just
    ///      before a higher ask is mined. Plans published before keep their shares.
    /// @param modelId the model
    /// @param bps basis points; 10,001 or more for never, which is where it starts
    function setAsk(uint32 modelId, uint16 bps) external;

    /// @notice Publishes a plan version of a model, on sale at once.
    /// @dev Only the owner. Nobody can change it afterwards, only its owner retire it. A component's owner can raise
    ///      its ask first, and then this reverts; afterwards it can neither leave the plan nor be left out.
    /// @param modelId the model
    /// @param terms what it promises and costs, within the bounds of `PlanTerms`
    /// @param planShares only for composites: at most 8 components, together at most 10,000
    /// @return planId of the new version
    function publishPlan(uint32 modelId, PlanTerms calldata terms, Share[] calldata planShares)
        external
        returns (uint64 planId);

    /// @notice Closes a plan to new buyers.
    /// @dev Only the owner. Cannot be undone. Running subscriptions keep it: they can still be topped up and renewed.
    /// @param planId the plan
    function retirePlan(uint64 planId) external;

    /// @notice The number of models registered so far; ids run from 1.
    /// @return the number, which is also the newest id
    function modelCount() external view returns (uint32);

    /// @notice A model as it stands; reverts for an unknown one.
    /// @param modelId the model
    /// @return its facts now
    function model(uint32 modelId) external view returns (Model memory);

    /// @notice What a plan promises and costs; reverts for an unknown one.
    /// @param planId the plan
    /// @return terms as published
    /// @return retired whether it takes no new buyers
    function plan(uint64 planId) external view returns (PlanTerms memory terms, bool retired);

    /// @notice What a market needs of a plan; reverts for an unknown one.
    /// @param planId the plan
    /// @return price, times and whether it is on sale
    function offer(uint64 planId) external view returns (Offer memory);

    /// @notice Whether a plan takes new buyers: published and not retired.
    /// @param planId the plan
    /// @return whether it does; false for an unknown one
    function isOnSale(uint64 planId) external view returns (bool);

    /// @notice What a plan's components get.
    /// @param planId the plan
    /// @return as published; empty for none and for an unknown plan
    function shares(uint64 planId) external view returns (Share[] memory);

    /// @notice The key with which a model's gateway signs usage.
    /// @param modelId the model
    /// @return its address; zero for none and for an unknown model
    function meterKeyOf(uint32 modelId) external view returns (address);
}
