r"""`python -m rnnvae_ref` lists the paper's equations with their place in the code; with a number it shows that one."""

import argparse

from rnnvae_ref import equations


def main(words=None):
    parser = argparse.ArgumentParser(prog="python -m rnnvae_ref", description="From an equation of the paper to the code.")
    parser.add_argument("number", nargs="?", type=int, help="show this equation: statement, test and the function's source")
    number = parser.parse_args(words).number
    if number is None:
        for e in equations.EQUATIONS:
            print(f"({e.number:2})  {e.says:50} {e.function}")
        return
    try:
        e = equations.find(number)
    except ValueError as error:
        parser.error(str(error))
    print(f"Eq. ({e.number}), Section {e.section}:  {e.says}\nfunction: {e.function}\ntest: {e.test}\n\n{e.source()}")


if __name__ == "__main__":
    main()
