"""Migrate, and add the users and clients of a benchmark."""

import os

import django


def main() -> None:
    django.setup()

    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    password = make_password(os.environ["BENCH_PASSWORD"])
    for number in range(int(os.environ["BENCH_PEOPLE"])):
        name = f"person{number}@example.com"
        User.objects.create(username=name, email=name, password=password)
    Application.objects.create(
        client_id="first-party",
        client_type=Application.CLIENT_PUBLIC,
        authorization_grant_type=Application.GRANT_PASSWORD,
    )
    Application.objects.create(
        client_id=os.environ["BENCH_CLIENT_ID"],
        client_secret=os.environ["BENCH_CLIENT_SECRET"],
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )


if __name__ == "__main__":
    main()
