// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Money} from "../../../contracts/libraries/Money.sol";
import {Arithmetic} from "./Arithmetic.t.sol";

contract MoneyProofs is Arithmetic {
    uint256 private constant WHOLE_BPS = 10_000;
    uint256 private constant SHARES = 8;

    function test_reserved_isExact(uint40 cap, uint64 unitPrice, uint32 periods, uint96 periodPrice) public pure {
        uint256 total = Money.reserved(cap, unitPrice, periods, periodPrice);
        unchecked {
            (uint256 units, uint256 time) = (uint256(cap) * unitPrice, uint256(periods) * periodPrice);
            assertTrue(dividesBack(cap, unitPrice));
            assertTrue(dividesBack(periods, periodPrice));
            assertLt(units, 1 << 104);
            assertLt(time, 1 << 128);
            assertEq(total, units + time);
        }
    }

    function test_time_doesNotOverflow(uint96 price, uint32 elapsed) public pure {
        unchecked {
            assertLt(uint256(price) * elapsed, HALF);
            assertTrue(dividesBack(price, elapsed));
        }
    }

    function test_time_isTheExactFloor(uint96 price, uint32 period, uint32 elapsed) public pure {
        if (period == 0) period = 1;
        uint256 cost = Money.timeDown(price, period, elapsed);
        unchecked {
            uint256 exact = uint256(price) * elapsed;
            knowFloor(exact, period);
            assertLe(cost * period, exact);
            assertLt(exact, cost * period + period);
        }
    }

    function test_time_withoutPeriod_costsNothing(uint96 price, uint32 elapsed) public pure {
        assertEq(Money.timeDown(price, 0, elapsed), 0);
    }

    function test_time_neverFalls(uint96 price, uint32 period, uint32 a, uint32 b) public pure {
        (a, b) = a < b ? (a, b) : (b, a);
        assertLe(Money.timeDown(price, period, a), Money.timeDown(price, period, b));
    }

    function test_time_wholePeriodsCostTheirPrice(uint96 price, uint32 period, uint32 periods) public pure {
        if (period == 0) period = 1;
        if (periods > type(uint32).max / period) periods = type(uint32).max / period;
        unchecked {
            uint256 elapsed = uint256(periods) * period;
            uint256 prepaid = uint256(periods) * price;
            if (elapsed > type(uint32).max) return;
            know(commutes(price, elapsed));
            know(commutes(period, price));
            know(commutes(periods, price));
            know(commutes(periods, period));
            know(associates(period, periods, price));
            know(associates(price, periods, period));
            know(commutes(prepaid, period));
            know(dividesBack(period, prepaid));
            assertEq(Money.timeDown(price, period, uint32(elapsed)), prepaid);
        }
    }

    function test_share_neverShrinks(uint88 earned, uint88 more, uint16 bps) public pure {
        if (uint256(earned) + more > type(uint88).max) return;
        uint88 later = earned + more;
        knowShare(earned, bps);
        knowShare(later, bps);
        know(isMonotone(bps, earned, later));
        assertLe(Money.shareDown(earned, bps), Money.shareDown(later, bps));
    }

    function test_rest_neverShrinks(uint88 earned, uint88 more, uint16 together) public pure {
        if (together > WHOLE_BPS) together = uint16(WHOLE_BPS);
        if (uint256(earned) + more > type(uint88).max) return;
        uint88 later = earned + more;
        knowShare(earned, together);
        knowShare(later, together);
        know(splitsFirst(earned, more, together));
        know(isMonotone(more, together, WHOLE_BPS));
        know(isMonotone(earned, together, WHOLE_BPS));
        know(isMonotone(later, together, WHOLE_BPS));
        (uint256 before, uint256 after_) = (Money.shareDown(earned, together), Money.shareDown(later, together));
        assertLe(before, earned);
        assertLe(after_, later);
        assertLe(earned + after_, later + before); // earned - before <= later - after_
    }

    function test_twoShares(uint88 earned, uint16 a, uint16 b) public pure {
        if (a > WHOLE_BPS) a = uint16(WHOLE_BPS);
        if (b > WHOLE_BPS - a) b = uint16(WHOLE_BPS - a);
        know(splitsSecond(earned, a, b));
        knowShare(earned, a);
        knowShare(earned, b);
        knowShare(earned, uint256(a) + b);
        uint256 sum = Money.shareDown(earned, a) + Money.shareDown(earned, b);
        uint256 together = Money.shareDown(earned, uint256(a) + b);
        assertLe(sum, together);
        assertLe(together, sum + 1);
    }

    function test_allShares(uint88 earned) public pure {
        knowFloor(uint256(earned) * WHOLE_BPS, WHOLE_BPS);
        assertEq(Money.shareDown(earned, WHOLE_BPS), earned);
    }

    function knowShare(uint256 earned, uint256 bps) private pure {
        knowProduct(earned, bps);
        unchecked {
            knowFloor(earned * bps, WHOLE_BPS);
        }
    }
}
