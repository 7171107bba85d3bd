"""The pages people look at: hubs for everybody, the desks of studios, reviewers and creators.

Owns sign-in by cookie, templates and static files. Every page is a client of the same API as everybody
else: it calls methods through the same scopes and rules, and refuses to know more than they answer.
"""
