"""
A T-Library port: clients, registrations, journals, requests and answers.
"""
