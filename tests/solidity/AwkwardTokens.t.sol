// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {MaaSMarket} from "../../contracts/MaaSMarket.sol";
import {IMaaSMarket} from "../../contracts/interfaces/IMaaSMarket.sol";
import {House} from "./House.sol";

/// @dev One token with every vice, one at a time.
contract AwkwardToken is ERC20 {
    enum Vice {
        None,
        FeeOnTransfer,
        FeeOnTop,
        ReturnsFalse,
        ReturnsNothing,
        ReEnters
    }

    Vice public vice;
    address private _victim;
    bytes private _attack;
    bool public attackPassed;

    constructor() ERC20("Awkward", "AWK") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function become(Vice vice_) external {
        vice = vice_;
    }

    function reEnter(address victim, bytes calldata attack) external {
        (vice, _victim, _attack) = (Vice.ReEnters, victim, attack);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        return super.transfer(to, amount) && last();
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        if (vice == Vice.ReturnsFalse) return false;
        return super.transferFrom(from, to, amount) && last();
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (vice == Vice.FeeOnTransfer && from != address(0)) super._update(to, address(0xfee), amount / 100);
        if (vice == Vice.FeeOnTop && from != address(0)) super._update(from, address(0xfee), amount / 100);
    }

    function last() private returns (bool) {
        if (vice == Vice.ReEnters) (attackPassed,) = _victim.call(_attack);
        if (vice == Vice.ReturnsNothing) {
            assembly ("memory-safe") {
                return(0, 0)
            }
        }
        return true;
    }
}

/// @notice Invariant 8: a token that charges fees, returns false or nothing, or re-enters: refused or harmless.
contract AwkwardTokensTest is House {
    AwkwardToken private token;

    function setUp() public override {
        super.setUp();
        token = new AwkwardToken();
        market = new MaaSMarket(address(catalog), address(token));
        token.mint(buyer, 1_000e6);
        vm.startPrank(buyer);
        token.approve(address(market), type(uint256).max);
        market.deposit(buyer, 100e6);
        vm.stopPrank();
    }

    function test_feeOnTransfer_depositIsRefused() public {
        token.become(AwkwardToken.Vice.FeeOnTransfer);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TokenMisbehaved.selector, 10e6, 9.9e6));
        market.deposit(buyer, 10e6);
    }

    function test_feeOnTop_withdrawalIsRefused_soOthersStayFunded() public {
        token.become(AwkwardToken.Vice.FeeOnTop);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(IMaaSMarket.TokenMisbehaved.selector, 10e6, 10.1e6));
        market.withdraw(10e6);
    }

    function test_returnsFalse_isRefused() public {
        token.become(AwkwardToken.Vice.ReturnsFalse);
        vm.startPrank(buyer);
        vm.expectRevert();
        market.deposit(buyer, 10e6);
        vm.expectRevert();
        market.withdraw(10e6);
        assertEq(balance(buyer), 100e6);
    }

    function test_returnsNothing_works() public {
        token.become(AwkwardToken.Vice.ReturnsNothing);
        vm.startPrank(buyer);
        market.deposit(buyer, 10e6);
        market.withdraw(20e6);
        assertEq(balance(buyer), 90e6);
        assertEq(token.balanceOf(address(market)), 90e6);
    }

    function test_reEntering_fails_andChangesNothing() public {
        token.reEnter(address(market), abi.encodeCall(IMaaSMarket.deposit, (buyer, 0)));
        vm.prank(buyer);
        market.withdraw(10e6);
        assertFalse(token.attackPassed());
        assertEq(balance(buyer), 90e6);
        token.reEnter(address(market), abi.encodeCall(IMaaSMarket.buy, (unitPlan, session, 1, 0, REQUEST)));
        vm.prank(buyer);
        market.deposit(buyer, 10e6);
        assertFalse(token.attackPassed());
    }

    function test_reEnteringPayout_paysOnce() public {
        uint96 id = active(unitPlan, 100, 0);
        settle(id, 100);
        token.reEnter(address(market), abi.encodeCall(IMaaSMarket.payout, (unitPlan)));
        market.payout(unitPlan);
        assertEq(token.balanceOf(provider), 100 * UNIT_PRICE);
    }

    function test_donation_isNobodysMoney() public {
        vm.prank(buyer);
        assertTrue(token.transfer(address(market), 5e6));
        assertEq(balance(buyer), 100e6);
    }
}
