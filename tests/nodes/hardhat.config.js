// Hardhat's node as the second node of tests/nodes. Nothing is compiled here: ledger/artifacts/ is what is deployed.
module.exports = {
  networks: {
    hardhat: {
      chainId: 31338, // another than anvil's: a signature for one chain is none on the other
      hardfork: "prague", // without the P-256 precompile that anvil has under osaka
      mining: { auto: true, interval: 0 },
      throwOnTransactionFailures: false, // as real nodes do: a failed transaction is told by its receipt
      loggingEnabled: false,
    },
  },
};
