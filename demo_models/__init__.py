"""The demo models are made here: espeak-ng's speech, FunASR's classes and losses, four networks.

`python -m demo_models` makes everything, in stages that can be run alone. Nothing else imports this
package but the tests and what speaks for them: they share its grammar, its voices and its scores.
"""
