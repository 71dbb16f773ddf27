// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IMaaSMarket} from "../interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../interfaces/IModelCatalog.sol";
import {Money} from "../libraries/Money.sol";
import {Accounts} from "./Accounts.sol";

// slither-disable-start timestamp -- a block's proposer can shift it by seconds: their price, no more
/// @title What the market remembers of subscriptions and plans, and what follows from it
/// @notice Facts are stored, status is computed. Time is rounded cumulatively from activation: pieces add up to exactly
///         what was prepaid.
abstract contract Books is IMaaSMarket, Accounts, EIP712 {
    /// @dev One slot: all that settlement reads and writes of a subscription.
    struct Hot {
        address signer;
        uint40 cap;
        uint40 used;
        uint16 flags;
    }

    /// @dev One slot, read by life: before activation `since` is 0, `paidThrough` counts the prepaid periods and `mark` is
    ///      the activation deadline; then `mark` is the second through which time is collected; after a release request
    ///      time is collected through `paidThrough` and `mark` is when anyone may release.
    struct Slow {
        address buyer;
        uint32 since;
        uint32 paidThrough;
        uint32 mark;
    }

    /// @dev One slot: all that settlement and payout read and write of a plan. Price and whether components share in it are
    ///      pinned by the plan's first activation.
    struct Earnings {
        uint64 unitPrice;
        uint88 earned;
        uint88 paid;
        bool shared;
    }

    /// @dev One slot: what buying needs of a plan, pinned by its first purchase (a plan never changes).
    struct Sales {
        uint32 sequence;
        uint64 unitPrice;
        uint96 periodPrice;
        uint32 period;
        uint24 activationWindow;
        bool shared;
    }

    struct Proposal {
        address signer;
        uint64 confirmableAt;
    }

    uint16 internal constant ACTIVATED = 1;
    uint16 internal constant REQUESTED = 2;
    uint16 internal constant CLOSED = 4;

    // slither-disable-next-line naming-convention -- fixed at deployment, so written like a constant
    IModelCatalog internal immutable CATALOG;

    mapping(uint96 subscriptionId => Hot) internal _hot;
    mapping(uint96 subscriptionId => Slow) internal _slow;
    mapping(uint64 planId => Earnings) internal _earnings;
    mapping(uint64 planId => Sales) internal _sales;
    mapping(uint96 subscriptionId => Proposal) internal _proposals;
    /// @dev What each owner of a composite plan's revenue has drawn, the composite itself under its own model id.
    mapping(uint64 planId => mapping(uint32 modelId => uint256)) internal _drawn;

    constructor(address catalog_, address token_) Accounts(token_) EIP712("Slicing4Meta MaaSMarket", "1") {
        CATALOG = IModelCatalog(catalog_);
    }

    /// @inheritdoc IMaaSMarket
    function catalog() external view returns (address) {
        return address(CATALOG);
    }

    /// @inheritdoc IMaaSMarket
    function statusOf(uint96 subscriptionId) public view returns (Status) {
        uint16 flags = _hot[subscriptionId].flags;
        if (flags & CLOSED != 0) return flags & ACTIVATED != 0 ? Status.Released : Status.Refunded;
        if (flags & REQUESTED != 0) return Status.Releasing;
        if (flags & ACTIVATED != 0) return Status.Active;
        Slow storage slow = _slow[subscriptionId];
        if (slow.buyer == address(0)) return Status.None;
        return block.timestamp <= slow.mark ? Status.Purchased : Status.Refundable;
    }

    /// @dev Callers keep `amount` within `_roomOf`.
    function _earn(uint64 planId, uint256 amount) internal {
        if (amount != 0) _earnings[planId].earned += uint88(amount);
    }

    /// @dev What the plan can still earn in its life; only a token of more than 2^88 units can ever fill it.
    function _roomOf(uint64 planId) internal view returns (uint256) {
        return type(uint88).max - _earnings[planId].earned;
    }

    /// @dev Time elapsed, paid for and not yet collected: its cost, and the second through which it runs.
    function _timeDue(uint64 planId, Slow storage slow) internal view returns (uint256 due, uint32 through) {
        (uint32 since, uint32 paidThrough, uint32 mark) = (slow.since, slow.paidThrough, slow.mark);
        through = block.timestamp < paidThrough ? uint32(block.timestamp) : paidThrough;
        due = _timeCost(planId, since, through) - _timeCost(planId, since, mark);
    }

    /// @dev Cost of the time from `since` to `through`, rounded down; whole periods cost exactly their price.
    function _timeCost(uint64 planId, uint32 since, uint32 through) internal view returns (uint256) {
        Sales storage sales = _sales[planId];
        return Money.timeDown(sales.periodPrice, sales.period, through - since);
    }

    function _ownerOf(uint32 modelId) internal view returns (address) {
        return IERC721(address(CATALOG)).ownerOf(modelId);
    }

    /// @dev The zero address for a malformed signature, which no session key is.
    function _recover(bytes32 digest, bytes32 r, bytes32 vs) internal pure returns (address signer) {
        // slither-disable-next-line unused-return -- a failure shows as the zero address
        (signer,,) = ECDSA.tryRecover(digest, r, vs);
    }

    function _planOf(uint96 subscriptionId) internal pure returns (uint64) {
        return uint64(subscriptionId >> 32);
    }

    function _modelOf(uint64 planId) internal pure returns (uint32) {
        return uint32(planId >> 32);
    }
}
// slither-disable-end timestamp
