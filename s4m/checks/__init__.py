"""What `s4m doctor` looks at: each check takes values, looks once, changes nothing, and says what it found.

`machine` is what the computer brings, `files` what lies in the home, `services` what answers over the network.
"""
