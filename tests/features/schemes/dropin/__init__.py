"""The drop-ins in an application that is not this one.

To take them to another project, copy ``app/features/schemes/dropin`` and this folder, and change
the one import of ``app.features.schemes.dropin`` in each test. They want pytest with
``anyio_mode = "auto"``, httpx2, and for OpenID Connect PyJWT with ``crypto`` and uvicorn.
"""
