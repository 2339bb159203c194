"""What is recorded of a run, and MLflow.

tracker         What is sent to a tracker: runs, metrics, texts in the form that trackers take
mlflow_tracker  The tracker that stores runs in MLflow: the one file that imports it
windows         Averages a stage's committed rows into metrics, one mean for each window of steps
home_database   MLflow's database in a home: checked, and right where the home has moved
desired         What the tracker should have of a run
sent            What was sent of a run since the tracker was last asked
writer          Sends a run's committed metrics and files to the tracker, on its own thread
run_tracking    Reports a run to the tracker: its stages, what they commit, how it ends
study_tracking  Reports a study to the tracker: its trials, its figures, its winner
"""
