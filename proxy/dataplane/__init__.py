"""The request's way, a file a step.

    front      bytes of the client → head, body, entrance, peer (the one file that knows aiohttp)
    handler    the whole way on one screen
    target     what is asked for, byte for byte            (pure)
    guard      may this Host and Origin come in            (pure)
    router     which route                                 (pure)
    policy     may this be asked for                       (pure)
    headers    strip: what goes upstream, what comes back  (pure)
    rewrite    references that must stay on the proxy      (pure)
    inject     the credential, last                        (pure)
    upgrade    is another protocol asked for               (pure)
    send       one attempt, or two
    relay      the answer, as it comes
    echo       an injected secret that comes back, masked  (pure)
    tunnel     what comes behind a 101
    problem    our own answers                             (pure)

`model` holds the values that all of them share, `errors` the refusals.
"""
