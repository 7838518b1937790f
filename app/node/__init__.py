"""The marketplace node: one supervisor, and the index, the web server and the agents as processes of their own.

    settings = read_settings(Path("node.toml"))          what runs, and against which chain, store and database
    with Supervisor(services(...), sink) as node:        starts them, restarts what ends, stops all of them orderly
        node.run(stop)

Each part is a command that also runs alone. The web server's process opens no key: those are in the agents'.
"""
