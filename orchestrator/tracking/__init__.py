"""What is recorded of a run, and MLflow.

mlflow_tracker  Keeps runs in MLflow: the one place that imports it
run_tracking    Tells the tracker of a run: which stages it has, what they commit, what came of it
sender          Brings what is wanted to the tracker, in passes that may fail anywhere and begin ag
tracker         What a tracker promises: runs found before they are made, metrics that may be sent
windows         Turns a stage's committed rows into metrics: one mean for each window of steps
writer          Sends what a run's spools hold to the tracker: one thread, the only writer, never i
"""
