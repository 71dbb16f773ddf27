// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {House} from "./House.sol";

/// @dev Plays everybody: three buyers, every entry point, random times and amounts. Keeps its own books.
contract Players is House {
    uint96[] public ids;
    address[] public people;
    uint64[] public plans;
    mapping(uint96 id => uint32) public prepaid;
    mapping(uint96 id => bytes32) public frozen;
    mapping(uint96 id => uint40) public lastUsed;
    mapping(uint64 plan => uint96) public lastEarned;
    mapping(uint64 plan => uint96) public lastPaid;
    mapping(bytes32 action => uint256) public done;

    /// @dev Each handler finds its arguments before it pranks: a prank left over by a revert would spoil the next call.
    constructor() {
        setUp();
        plans = [planId, unitPlan, compositePlan];
        people = [buyer, makeAddr("second"), makeAddr("third")];
        for (uint256 i = 1; i < people.length; ++i) {
            credit.faucet(people[i], FUNDS);
            vm.prank(people[i]);
            credit.approve(address(market), type(uint256).max);
        }
    }

    modifier counted(bytes32 action) {
        _;
        done[action] += 1;
    }

    function deposit(uint256 who, uint256 amount) external counted("deposit") {
        vm.prank(person(who));
        market.deposit(person(who / 3), bound(amount, 0, 1e9));
    }

    function withdraw(uint256 who, uint256 amount) external counted("withdraw") {
        address one = person(who);
        uint256 most = balance(one);
        vm.prank(one);
        market.withdraw(bound(amount, 0, most));
    }

    function purchase(uint256 who, uint256 which, uint40 cap, uint32 periods) external counted("purchase") {
        uint64 plan = plans[which % plans.length];
        cap = uint40(bound(cap, 1, 5_000));
        periods = plan == unitPlan ? 0 : uint32(bound(periods, 1, 4));
        vm.prank(person(who));
        uint96 id = market.buy(plan, session, cap, periods, REQUEST);
        ids.push(id);
        prepaid[id] = periods;
    }

    function start(uint256 which) external counted("start") {
        activate(some(which));
    }

    function takeBack(uint256 which) external counted("takeBack") {
        market.refund(some(which));
    }

    function use(uint256 which, uint40 units) external counted("use") {
        uint96 id = some(which);
        settle(id, uint40(bound(units, 0, uint256(market.subscription(id).cap) + 5)));
    }

    function collect(uint256 which) external counted("collect") {
        uint96[] memory one = new uint96[](1);
        one[0] = some(which);
        market.collectTime(one);
    }

    function raise(uint256 who, uint256 which, uint40 units) external counted("raise") {
        uint96 id = some(which);
        vm.prank(person(who));
        market.raiseCap(id, uint40(bound(units, 1, 1_000)));
    }

    function renew(uint256 who, uint256 which, uint32 periods) external counted("renew") {
        uint96 id = some(which);
        vm.prank(person(who));
        market.renew(id, uint32(bound(periods, 1, 3)));
    }

    function depart(uint256 which) external counted("depart") {
        uint96 id = some(which);
        vm.prank(market.subscription(id).buyer);
        market.requestRelease(id);
    }

    function release(uint256 which, bool asOwner) external counted("release") {
        uint96 id = some(which);
        if (asOwner) vm.prank(provider);
        market.release(id);
    }

    function pay(uint256 which, bool share) external counted("pay") {
        if (share) market.payoutShare(compositePlan, component);
        else market.payout(plans[which % plans.length]);
    }

    function wait(uint256 howLong) external counted("wait") {
        vm.warp(nowAt() + bound(howLong, 1, 10 days));
    }

    function booked() external view returns (uint256 sum) {
        for (uint256 i = 0; i < people.length; ++i) {
            sum += balance(people[i]);
        }
        for (uint256 i = 0; i < ids.length; ++i) {
            sum += reserved(ids[i]);
        }
        for (uint256 i = 0; i < plans.length; ++i) {
            (uint96 all, uint96 paid) = market.earningsOf(plans[i]);
            sum += all - paid;
        }
    }

    function reserved(uint96 id) public view returns (uint256) {
        IMaaSMarket.Subscription memory one = market.subscription(id);
        if (one.status == IMaaSMarket.Status.Released || one.status == IMaaSMarket.Status.Refunded) return 0;
        if (one.since == 0) return market.quote(uint64(id >> 32), one.cap, prepaid[id]);
        uint256 units = uint256(one.cap - one.used) * UNIT_PRICE;
        return units + cost(one.paidThrough - one.since) - cost(one.collectedThrough - one.since);
    }

    function observe() external {
        for (uint256 i = 0; i < ids.length; ++i) {
            IMaaSMarket.Subscription memory one = market.subscription(ids[i]);
            assertLe(one.used, one.cap, "used within cap");
            assertGe(one.used, lastUsed[ids[i]], "used only grows");
            lastUsed[ids[i]] = one.used;
            bytes32 state = keccak256(abi.encode(one));
            if (frozen[ids[i]] != 0) assertEq(state, frozen[ids[i]], "closed is closed");
            bool closed = one.status == IMaaSMarket.Status.Released || one.status == IMaaSMarket.Status.Refunded;
            if (closed) frozen[ids[i]] = state;
        }
        for (uint256 i = 0; i < plans.length; ++i) {
            (uint96 all, uint96 paid) = market.earningsOf(plans[i]);
            assertLe(paid, all, "paid within earned");
            assertGe(all, lastEarned[plans[i]], "earned only grows");
            assertGe(paid, lastPaid[plans[i]], "paid only grows");
            (lastEarned[plans[i]], lastPaid[plans[i]]) = (all, paid);
        }
    }

    function tokens() external view returns (uint256) {
        return credit.balanceOf(address(market));
    }

    function cost(uint256 elapsed) private pure returns (uint256) {
        return elapsed * PERIOD_PRICE / PERIOD;
    }

    /// @dev One of the youngest: on older ones most moves are no longer allowed.
    function some(uint256 which) private view returns (uint96) {
        return ids[ids.length - 1 - which % (ids.length < 4 ? ids.length : 4)];
    }

    function person(uint256 who) private view returns (address) {
        return people[who % people.length];
    }
}

/// @notice The numbered invariants of docs/invariants.md, after any sequence of everybody's calls.
contract MarketInvariantsTest is House {
    Players private players;

    function setUp() public override {
        players = new Players();
        targetContract(address(players));
        bytes4[] memory selectors = new bytes4[](13);
        selectors[0] = Players.deposit.selector;
        selectors[1] = Players.withdraw.selector;
        selectors[2] = Players.purchase.selector;
        selectors[3] = Players.start.selector;
        selectors[4] = Players.takeBack.selector;
        selectors[5] = Players.use.selector;
        selectors[6] = Players.collect.selector;
        selectors[7] = Players.raise.selector;
        selectors[8] = Players.renew.selector;
        selectors[9] = Players.depart.selector;
        selectors[10] = Players.release.selector;
        selectors[11] = Players.pay.selector;
        selectors[12] = Players.wait.selector;
        targetSelector(FuzzSelector({addr: address(players), selectors: selectors}));
    }

    /// @dev Invariant 1: accounts + reserved + earned not yet paid + unearned time = the market's tokens.
    function invariant_1_solvency() public view {
        assertEq(players.booked(), players.tokens());
    }

    /// @dev Invariants 2 and 4: bounds, growth, and closed subscriptions stay as they are.
    function invariant_2_4_growthAndClosure() public {
        players.observe();
    }

    /// @dev One straight life through the same handlers: the random runs above cannot all be vacuous.
    function test_players_canPlayAWholeLife() public {
        players.purchase(0, 0, 100, 2);
        players.start(0);
        players.use(0, 50);
        players.wait(3 days);
        players.collect(0);
        players.raise(1, 0, 10);
        players.renew(2, 0, 1);
        players.depart(0);
        players.release(0, true);
        players.pay(0, false);
        invariant_1_solvency();
        invariant_2_4_growthAndClosure();
        assertEq(players.done("release"), 1);
    }
}
