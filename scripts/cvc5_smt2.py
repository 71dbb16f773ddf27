"""Run cvc5 on one SMT-LIB file, for halmos: cvc5's wheel brings the library but no program.

Bit vectors are solved as integers: that is what makes products and quotients of 256-bit words tractable.
"""

import sys

import cvc5  # type: ignore[import-not-found]  # lives in .venv-analysis

OPTIONS = {"produce-models": "true", "solve-bv-as-int": "sum"}


def main(path: str) -> None:
    """Print what each command of the file answers: first sat, unsat or unknown, then the model if there is one."""
    solver = cvc5.Solver(cvc5.TermManager())
    for option, value in OPTIONS.items():
        solver.setOption(option, value)
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, path)
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        if answer := str(command.invoke(solver, symbols)).strip():
            print(answer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
