// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Test} from "forge-std/Test.sol";
import {CounterfactualSignature} from "../../../contracts/CounterfactualSignature.sol";

/// @notice Approves one digest, whatever the signature; with `dirt`, says so in another word.
contract OneDigestWallet {
    bytes32 private immutable approved;
    bytes32 private immutable dirt;

    constructor(bytes32 digest, bytes32 behind) {
        approved = digest;
        dirt = behind;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes32) {
        return digest == approved ? bytes32(bytes4(0x1626ba7e)) | dirt : bytes32(0);
    }
}

contract WalletFactory {
    function deploy(bytes32 digest, bytes32 dirt) external returns (address) {
        return address(new OneDigestWallet{salt: 0}(digest, dirt));
    }

    function idle() external pure {}

    function fail() external pure {
        revert("no");
    }
}

/// @notice The validator of signatures by accounts that do not stand yet.
contract CounterfactualSignatureTest is Test {
    bytes32 private constant DIGEST = keccak256("sign in");
    WalletFactory private immutable factory = new WalletFactory();

    function test_constructor_theAccountApproves_saysYes() public {
        assertTrue(says(walletFor(0), DIGEST, deployment(0)));
    }

    function test_constructor_theAccountApprovesSomethingElse_saysNo() public {
        assertFalse(says(walletFor(0), keccak256("pay"), deployment(0)));
    }

    function test_constructor_aFactoryThatDeploysNothing_saysNo() public {
        assertFalse(says(walletFor(0), DIGEST, abi.encodeCall(WalletFactory.idle, ())));
    }

    function test_constructor_aFactoryThatReverts_saysNo() public {
        assertFalse(says(walletFor(0), DIGEST, abi.encodeCall(WalletFactory.fail, ())));
    }

    function test_constructor_anAccountThatStandsAlready_saysNo() public {
        factory.deploy(DIGEST, 0);
        assertFalse(says(walletFor(0), DIGEST, abi.encodeCall(WalletFactory.idle, ())));
    }

    function test_constructor_anAnswerWithDirtBehindTheMagicWord_saysNo() public {
        assertFalse(says(walletFor(bytes32(uint256(1))), DIGEST, deployment(bytes32(uint256(1)))));
    }

    function deployment(bytes32 dirt) private pure returns (bytes memory) {
        return abi.encodeCall(WalletFactory.deploy, (DIGEST, dirt));
    }

    /// @dev Where the factory will deploy it (EIP-1014).
    function walletFor(bytes32 dirt) private view returns (address) {
        bytes memory code = abi.encodePacked(type(OneDigestWallet).creationCode, abi.encode(DIGEST, dirt));
        return vm.computeCreate2Address(0, keccak256(code), address(factory));
    }

    /// @dev What the constructor returns would be its code: `eth_call` shows it, here it stands at its address.
    function says(address account, bytes32 digest, bytes memory preparation) private returns (bool) {
        bytes memory answer =
            address(new CounterfactualSignature(account, digest, address(factory), preparation, "")).code;
        return abi.decode(answer, (bool));
    }
}
