"""What the server decides about its records.

The protocol, the JSON API and the command line all call these functions; none of them knows a
request. A function that writes takes the connection of its caller's transaction.
"""
