// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {IMaaSMarket} from "../../../contracts/interfaces/IMaaSMarket.sol";
import {Stage} from "./Stage.sol";
import {Vices} from "./Vices.sol";

/// @title Everybody at once, over a given token; the curtain rises on subscriptions in every state
contract Players is Vices {
    /// @param holderKey of a ShiftyToken; zero where the token is fair
    constructor(ERC20Permit token_, uint256 holderKey) Stage(token_) Vices(holderKey) {
        for (uint256 i = 0; i < 2 * plans.length; ++i) {
            _buy(i, false);
        }
        for (uint256 i = 0; i < plans.length; ++i) {
            if (_statusTold(ids[i]) == IMaaSMarket.Status.Purchased) _activate(ids[i], lines[ids[i]].signer, true);
        }
        _request(ids[0], lines[ids[0]].buyer);
    }

    /// @dev Each takes one seed: the choices within a step follow from it.
    function steps() public view returns (bytes4[] memory selectors) {
        selectors = new bytes4[](26);
        selectors[0] = this.deposit.selector;
        selectors[1] = this.depositWithPermit.selector;
        selectors[2] = this.withdraw.selector;
        selectors[3] = this.buy.selector;
        selectors[4] = this.buyFor.selector;
        selectors[5] = this.cancelOrders.selector;
        selectors[6] = this.activate.selector;
        selectors[7] = this.refund.selector;
        selectors[8] = this.raiseCap.selector;
        selectors[9] = this.renew.selector;
        selectors[10] = this.proposeSigner.selector;
        selectors[11] = this.confirmSigner.selector;
        selectors[12] = this.requestRelease.selector;
        selectors[13] = this.release.selector;
        selectors[14] = this.settle.selector;
        selectors[15] = this.shuffle.selector;
        selectors[16] = this.replayAll.selector;
        selectors[17] = this.collectTime.selector;
        selectors[18] = this.payout.selector;
        selectors[19] = this.payoutShare.selector;
        selectors[20] = this.donate.selector;
        selectors[21] = this.sellModel.selector;
        selectors[22] = this.publish.selector;
        selectors[23] = this.retire.selector;
        selectors[24] = this.wait.selector;
        selectors[25] = this.waitForALimit.selector;
    }

    /// @dev For a ShiftyToken.
    function stepsWithTurns() external view returns (bytes4[] memory selectors) {
        bytes4[] memory fair = steps();
        selectors = new bytes4[](fair.length + 4);
        for (uint256 i = 0; i < fair.length; ++i) {
            selectors[i] = fair[i];
        }
        selectors[fair.length] = this.turnFair.selector;
        selectors[fair.length + 1] = this.turnBad.selector;
        selectors[fair.length + 2] = this.turnOnMoney.selector;
        selectors[fair.length + 3] = this.turnOnState.selector;
    }
}
