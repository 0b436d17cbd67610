"""Plan, apply and destroy any resources, their policy and costs. Knows no kind by name.

There is no state file: AWS is the state, so a run that died anywhere is healed by the next.
"""
