"""The course kit's grader: solutions, exact answers, hints, and the process that a student's file
runs in.
"""
