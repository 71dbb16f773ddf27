// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {MaaSCredit} from "../../contracts/devnet/MaaSCredit.sol";
import {IIdentityRegistry} from "../../contracts/interfaces/IIdentityRegistry.sol";
import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {IModelCatalog} from "../../contracts/interfaces/IModelCatalog.sol";
import {Deploy, IAssetToken, ICatalogToken} from "./Deploy.sol";

/// @title The deployed set with one provider, one composite and one buyer, for every test
abstract contract House is Deploy {
    uint64 internal constant UNIT_PRICE = 25_000;
    uint96 internal constant PERIOD_PRICE = 1_000_003; // not a multiple of the period: rounding shows
    uint32 internal constant PERIOD = 7 days;
    uint32 internal constant RELEASE_WINDOW = 1 hours;
    uint32 internal constant ACTIVATION_WINDOW = 1 days;
    uint256 internal constant FUNDS = 1_000_000e6;
    bytes32 internal constant ENDPOINT = keccak256("endpoint");
    bytes32 internal constant REQUEST = keccak256("request");

    ICatalogToken internal catalog;
    MaaSCredit internal credit;
    IMaaSMarket internal market;
    IAssetToken internal assets;
    IIdentityRegistry internal identity;

    address internal provider = makeAddr("provider");
    address internal componentOwner = makeAddr("component owner");
    address internal buyer;
    uint256 internal buyerKey;
    address internal session;
    uint256 internal sessionKey;
    address internal meter;
    uint256 internal meterKey;

    uint32 internal component;
    uint32 internal composite;
    /// @dev units and periods, no shares
    uint64 internal planId;
    /// @dev units only, no period
    uint64 internal unitPlan;
    /// @dev units and periods of the composite; 30 % go to the component
    uint64 internal compositePlan;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        (buyer, buyerKey) = makeAddrAndKey("buyer");
        (session, sessionKey) = makeAddrAndKey("session");
        (meter, meterKey) = makeAddrAndKey("meter");
        catalog = deployCatalog();
        credit = new MaaSCredit();
        market = deployMarket(address(catalog), address(credit));
        assets = deployAssets(address(market));
        identity = deployIdentity("localhost");
        registerModels();
        credit.faucet(buyer, FUNDS);
        vm.prank(buyer);
        credit.approve(address(market), type(uint256).max);
    }

    function registerModels() private {
        vm.startPrank(componentOwner);
        component = catalog.register(IModelCatalog.Kind.TaaS, "spec", "s4m:documents/a", meter, 0);
        catalog.setAsk(component, 2_000);
        vm.stopPrank();
        vm.startPrank(provider);
        composite = catalog.register(IModelCatalog.Kind.Composite, "spec", "s4m:documents/b", meter, 500);
        planId = catalog.publishPlan(composite, terms(), new IModelCatalog.Share[](0));
        IModelCatalog.PlanTerms memory unitTerms = terms();
        (unitTerms.period, unitTerms.periodPrice) = (0, 0);
        unitPlan = catalog.publishPlan(composite, unitTerms, new IModelCatalog.Share[](0));
        compositePlan = catalog.publishPlan(composite, terms(), shareOf(component, 3_000));
        vm.stopPrank();
    }

    function terms() internal pure returns (IModelCatalog.PlanTerms memory) {
        return IModelCatalog.PlanTerms({
            unitPrice: UNIT_PRICE,
            periodPrice: PERIOD_PRICE,
            period: PERIOD,
            releaseWindow: RELEASE_WINDOW,
            activationWindow: ACTIVATION_WINDOW,
            qoeFloor: 500,
            termsHash: keccak256("terms")
        });
    }

    function shareOf(uint32 modelId, uint16 bps) internal pure returns (IModelCatalog.Share[] memory shares) {
        shares = new IModelCatalog.Share[](1);
        shares[0] = IModelCatalog.Share({modelId: modelId, bps: bps});
    }

    function buy(uint64 plan, uint40 cap, uint32 periods) internal returns (uint96 id) {
        vm.prank(buyer);
        return market.buy(plan, session, cap, periods, REQUEST);
    }

    function activate(uint96 id) internal {
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashActivation(id, ENDPOINT));
        market.activate(id, ENDPOINT, r, vs);
    }

    function active(uint64 plan, uint40 cap, uint32 periods) internal returns (uint96 id) {
        id = buy(plan, cap, periods);
        activate(id);
    }

    function voucher(uint96 id, uint40 units) internal view returns (IMaaSMarket.Voucher memory) {
        return voucherOver(id, units, keccak256(abi.encode(id, units)));
    }

    function voucherOver(uint96 id, uint40 units, bytes32 root) internal view returns (IMaaSMarket.Voucher memory) {
        (bytes32 r, bytes32 vs) = compact(sessionKey, market.hashVoucher(id, units, root));
        return IMaaSMarket.Voucher({subscriptionId: id, units: units, usageRoot: root, r: r, vs: vs});
    }

    function settle(uint96 id, uint40 units) internal {
        settle(voucher(id, units));
    }

    function settle(IMaaSMarket.Voucher memory one) internal {
        IMaaSMarket.Voucher[] memory batch = new IMaaSMarket.Voucher[](1);
        batch[0] = one;
        market.settle(batch);
    }

    function compact(uint256 key, bytes32 digest) internal pure returns (bytes32 r, bytes32 vs) {
        (uint8 v, bytes32 r_, bytes32 s) = vm.sign(key, digest);
        return (r_, bytes32(uint256(s) | (uint256(v - 27) << 255)));
    }

    function sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function order(uint40 cap, uint32 periods) internal view returns (IMaaSMarket.Order memory) {
        (, uint64 nonce) = market.accountOf(buyer);
        return IMaaSMarket.Order({
            buyer: buyer,
            planId: planId,
            signer: session,
            cap: cap,
            periods: periods,
            requirementsHash: REQUEST,
            total: market.quote(planId, cap, periods),
            nonce: nonce,
            deadline: uint64(nowAt() + 1 hours)
        });
    }

    function noPermit() internal pure returns (IMaaSMarket.Permit memory permit) {}

    function permitFor(uint256 value) internal view returns (IMaaSMarket.Permit memory permit) {
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        uint256 deadline = nowAt() + 1 hours;
        bytes32 content = keccak256(abi.encode(typeHash, buyer, address(market), value, credit.nonces(buyer), deadline));
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", credit.DOMAIN_SEPARATOR(), content));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(buyerKey, digest);
        return IMaaSMarket.Permit({value: value, deadline: deadline, v: v, r: r, s: s});
    }

    /// @dev Not `block.timestamp`: the optimizer takes that for a constant of the whole test, also across `vm.warp`.
    function nowAt() internal view returns (uint256) {
        return vm.getBlockTimestamp();
    }

    function balance(address account) internal view returns (uint256 amount) {
        (amount,) = market.accountOf(account);
    }

    function earned(uint64 plan) internal view returns (uint256 amount) {
        (amount,) = market.earningsOf(plan);
    }

    function expectStatus(uint96 id, IMaaSMarket.Status status) internal view {
        assertEq(uint8(market.statusOf(id)), uint8(status), "status");
    }

    function wrongStatus(IMaaSMarket.Status expected, IMaaSMarket.Status actual) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(IMaaSMarket.WrongStatus.selector, expected, actual);
    }
}
